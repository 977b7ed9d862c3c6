import { createRequire } from "node:module";
import { cloudflareTest } from "@cloudflare/vitest-pool-workers";
import { defineConfig } from "vitest/config";

const { alpenglow } = createRequire(import.meta.url)("alpenglow-workers");

// The two ways in: an environment of the wrangler configuration, and one line in place of it.
const ways = {
  environment: { wrangler: { configPath: "./wrangler.jsonc", environment: "local" } },
  line: { miniflare: { compatibilityDate: "2026-01-28", ...alpenglow().miniflare } },
};

export default defineConfig({
  test: {
    projects: Object.entries(ways).map(([name, options]) => ({
      plugins: [cloudflareTest(options)],
      test: { name, include: ["env-ai.test.js"], testTimeout: 60_000 }, // the model may share its cores
    })),
  },
});
