"""The documented commands, byte for byte but for host, account, token and file names."""

import json
import shutil
from pathlib import Path

import nodejs
import pytest
from answers import ACCOUNT, TOKEN, picture

DOCUMENTED = """\
curl --request POST \\
  --url 'https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai/run/@cf/black-forest-labs/flux-2-klein-9b' \\
  --header 'Authorization: Bearer {TOKEN}' \\
  --header 'Content-Type: multipart/form-data' \\
  --form 'prompt=a sunset at the alps' \\
  --form width=1024 \\
  --form height=1024
"""
"""From the changelog of 2026-01-28."""

WITH_STEPS = DOCUMENTED.rstrip() + " \\\n  --form steps=25\n"
"""As on the model's page."""

WITH_IMAGES = """\
curl --request POST \\
  --url 'https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai/run/@cf/black-forest-labs/flux-2-klein-9b' \\
  --header 'Authorization: Bearer {TOKEN}' \\
  --header 'Content-Type: multipart/form-data' \\
  --form 'prompt=take the subject of image 1 and style it like image 0' \\
  --form input_image_0=@style.png \\
  --form input_image_1=@subject.jpg \\
  --form width=1024 \\
  --form height=1024
"""


@pytest.fixture
def shell(server, env, references):
    def run(command: str) -> dict:
        command = command.replace("https://api.cloudflare.com", server.url)
        command = command.replace("{ACCOUNT}", ACCOUNT).replace("{TOKEN}", TOKEN)
        assert shutil.which("curl"), "curl is what this test runs"
        return nodejs.run(["sh", "-c", command], Path(references[0]).parent, env).json

    return run


@pytest.mark.parametrize("command", [DOCUMENTED, WITH_STEPS, WITH_IMAGES], ids=["text", "steps", "images"])
def test_a_documented_command_makes_a_picture(shell, command):
    answer = shell(command)
    assert (answer["success"], answer["errors"]) == (True, [])
    assert picture(answer["result"]["image"]).size == (1024, 1024)


def test_json_without_a_header_of_its_own(shell):
    """As the documentation's curl for text models has it: a form's content type over JSON."""
    url = "https://api.cloudflare.com/client/v4/accounts/{ACCOUNT}/ai/run/@cf/black-forest-labs/flux-2-klein-9b"
    body = json.dumps({"prompt": "a sunset", "width": 256, "height": 256})
    answer = shell(f"curl {url} -H 'Authorization: Bearer {{TOKEN}}' -d '{body}'")
    assert picture(answer["result"]["image"]).size == (256, 256)
