import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { attempt } from "./probe.js";

it.each(["form", "stream", "edit", "json"])("makes a picture: %s", async (name) => {
  const { result, lastRequestId, status } = await attempt(env.AI, name);
  expect(result.image).toMatch(/^\/9j\//);
  expect(lastRequestId).toMatch(/^[0-9a-f-]{36}$/);
  expect(status).toBe(200);
});

it("throws the error objects of the real binding", async () => {
  const { error } = await attempt(env.AI, "small");
  expect(error).toEqual({ name: "AiError", message: "5006: Error: '/width' must be >= 256" });
});
