// Compiles if and only if the package's types say what it does.
import { alpenglow, type Configuration } from "alpenglow-workers";

const plain: Configuration = alpenglow();
const full = alpenglow({ binding: "PICTURES", url: "http://127.0.0.1:8770", token: "secret" });
const name: "alpenglow" = full.miniflare.unsafeBindings[0].plugin.name;
const type: "ai" = plain.wrangler.unsafe.bindings[0].type;

// @ts-expect-error there is no such option
alpenglow({ port: 8770 });

export { name, type };
