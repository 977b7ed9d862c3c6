// workers-ai-provider under the AI SDK: one picture by REST, and the error it gives. Only the host is another.
import { generateImage } from "ai";
import { createWorkersAI } from "workers-ai-provider";

const workersai = createWorkersAI({
  accountId: "0123456789abcdef0123456789abcdef",
  apiKey: process.env.ALPENGLOW_TOKEN,
  fetch: (url, init) => fetch(String(url).replace("https://api.cloudflare.com", process.env.ALPENGLOW_URL), init),
});
const model = workersai.image("@cf/black-forest-labs/flux-2-klein-9b");
const made = await generateImage({ model, prompt: "a cat", size: "256x320", seed: 3 });
const error = await generateImage({ model, prompt: "a cat", size: "20x20", maxRetries: 0 }).then(
  () => null,
  (error) => String(error),
);
console.log(JSON.stringify({ image: made.image.base64, type: made.image.mediaType, error }));
