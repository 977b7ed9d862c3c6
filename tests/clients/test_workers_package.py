"""The package's own parts: `init` on every kind of wrangler configuration, the helper, its types."""

import json
import re

import nodejs
import pytest

COMMENTED = """\
/**
 * How to configure wrangler
 */
{
\t"$schema": "node_modules/wrangler/config-schema.json",
\t"name": "mine", // the name
\t"vars": { "GREETING": "hello" },
\t"ai": { "binding": "PICTURES" } // production
\t// , "routes": []
}
"""

INITIALISED = """\
/**
 * How to configure wrangler
 */
{
\t"$schema": "node_modules/wrangler/config-schema.json",
\t"name": "mine", // the name
\t"vars": { "GREETING": "hello" },
\t"ai": { "binding": "PICTURES" }, // production
\t// , "routes": []
\t"env": {
\t\t"local": {
\t\t\t"vars": {
\t\t\t\t"GREETING": "hello"
\t\t\t},
\t\t\t"unsafe": {
\t\t\t\t"bindings": [
\t\t\t\t\t{
\t\t\t\t\t\t"name": "PICTURES",
\t\t\t\t\t\t"type": "ai",
\t\t\t\t\t\t"dev": {
\t\t\t\t\t\t\t"plugin": {
\t\t\t\t\t\t\t\t"package": "alpenglow-workers",
\t\t\t\t\t\t\t\t"name": "alpenglow"
\t\t\t\t\t\t\t},
\t\t\t\t\t\t\t"options": {}
\t\t\t\t\t\t}
\t\t\t\t\t}
\t\t\t\t]
\t\t\t}
\t\t}
\t}
}
"""


def test_the_package_holds_what_it_needs_and_no_more(env):
    """What `npm publish` would send."""
    command = [nodejs.NODE, nodejs.NPM, "pack", "--dry-run", "--json"]
    (packed,) = nodejs.run(command, nodejs.PACKAGE, env).json
    assert sorted(file["path"] for file in packed["files"]) == [
        "LICENSE",
        "README.md",
        "bin/alpenglow-workers.js",
        "index.d.ts",
        "index.js",
        "lib/plugin.js",
        "lib/server.js",
        "lib/wrangler-config.js",
        "package.json",
    ]
    assert "](../" not in (nodejs.PACKAGE / "README.md").read_text(), "a link that leads nowhere on npm"


@pytest.fixture
def init(npm, tmp_path):
    """Run `alpenglow-workers init` in a folder with this configuration; gives what it came to, and the file."""

    def run(text: str, *options: str, name: str = "wrangler.jsonc") -> tuple[nodejs.Done, str]:
        file = tmp_path / name
        file.write_bytes(text.encode())
        program = npm / "node_modules/alpenglow-workers/bin/alpenglow-workers.js"
        return nodejs.run([nodejs.NODE, program, "init", *options], tmp_path, {}), file.read_bytes().decode()

    return run


def test_init_leaves_the_rest_as_it_is(init):
    done, text = init(COMMENTED)
    assert done.returncode == 0, done.output
    assert text == INITIALISED
    assert "it repeats: vars." in done.stdout
    assert "npx wrangler dev --env local" in done.stdout


def test_init_keeps_a_byte_order_mark(init):
    done, text = init("\ufeff" + COMMENTED)
    assert done.returncode == 0, done.output
    assert text == "\ufeff" + INITIALISED


def test_init_twice_is_init_once(init):
    done, text = init(INITIALISED)
    assert (done.returncode, text) == (0, INITIALISED)
    assert "has it already" in done.stdout


@pytest.mark.parametrize(
    "text",
    ["{}", '{"name":"a"}\n', '{\r\n  "name": "a", // c\r\n}\r\n', '{"env": {"local": {"unsafe": {"bindings": [],}}}}'],
    ids=["empty", "one line", "trailing comma and CRLF", "empty list"],
)
def test_init_on_any_layout(init, text):
    done, after = init(text, "--url", "http://gpu.example:8770", "--binding", "AI", name="wrangler.json")
    assert done.returncode == 0, done.output
    plain = json.loads(re.sub(r",(\s*[}\]])", r"\1", re.sub(r"// .*", "", after)))
    (binding,) = plain["env"]["local"]["unsafe"]["bindings"]
    assert binding["dev"]["options"] == {"url": "http://gpu.example:8770"}
    assert ("\r\n" in text) == ("\r\n" in after)
    assert "\n" not in after.replace("\r\n", "") or "\r\n" not in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"env": {"local": {"ai": {"binding": "AI"}}}}', 'env.local has "ai" with the binding AI'),
        ('{"env": {"local": {"unsafe": {"bindings": [{"name": "AI", "type": "x"}]}}}}', "another unsafe binding AI"),
        ('{"name": ', "not an object of JSON with comments"),
        ('{"env": null}', "env is neither an object nor an array"),
        ('{"pages_build_output_dir": "dist"}', "a Pages project has no environments but preview and production"),
    ],
)
def test_init_says_what_it_cannot_do(init, text, message):
    done, after = init(text)
    assert (done.returncode, after) == (1, text)
    assert message in done.output


def test_init_does_not_pass_over_another_url(init):
    done, after = init(INITIALISED, "--url", "http://gpu.example:8770")
    assert (done.returncode, after) == (1, INITIALISED)
    assert "env.local has the binding PICTURES with another url: change it there" in done.output


def test_init_puts_the_binding_in_place_of_one_of_its_name(init):
    others = [{"name": "AI", "type": "ai"}, {"name": "B", "type": "x"}]
    done, after = init(json.dumps({"k2": [1], "unsafe": {"bindings": others}}))
    assert "it repeats: k2." in done.stdout
    assert [one["name"] for one in json.loads(after)["env"]["local"]["unsafe"]["bindings"]] == ["B", "AI"]


@pytest.mark.parametrize("options", [["--nonsense"], ["--url", "ftp://a"], ["--url", "http://a/path"], ["more"]])
def test_init_refuses_wrong_usage(init, options):
    done, after = init("{}", *options)
    assert (done.returncode, after) == (2, "{}")


def test_the_token_is_added_unseen_and_options_go_before_the_environment(npm):
    code = """
        const { alpenglow, plugins } = require("alpenglow-workers");
        const services = (options) =>
          plugins.alpenglow.getServices({ options: alpenglow(options).miniflare.unsafeBindings });
        console.log(JSON.stringify([{}, { url: "https://gpu.example", token: "b" }].flatMap(services)));
    """
    env = {"ALPENGLOW_URL": "http://here:1", "ALPENGLOW_TOKEN": "a\n"}
    by_environment, by_options = nodejs.run([nodejs.NODE, "-e", code], npm, env).json
    header = {"name": "Authorization", "value": "Bearer a"}
    assert by_environment["external"] == {"address": "here:1", "http": {"injectRequestHeaders": [header]}}
    assert by_options["external"]["address"] == "gpu.example:443"
    assert by_options["external"]["https"]["options"]["injectRequestHeaders"][0]["value"] == "Bearer b"
    assert by_environment["name"] != by_options["name"]


def test_the_types_fit(npm):
    command = [nodejs.NODE, npm / "node_modules/typescript/bin/tsc", "-p", npm / "tsconfig.json"]
    done = nodejs.run(command, npm, {})
    assert done.returncode == 0, done.output
