// How fast recordings open and index rows are read, on this machine:  node tests/speed.mjs   (one core; see README.md)
import { build } from "esbuild";

const here = import.meta.dirname;
const built = await build({
  entryPoints: [`${here}/speed.ts`],
  bundle: true,
  write: false,
  platform: "node",
  format: "esm",
  define: { "import.meta.dirname": JSON.stringify(here) },
});
await import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents).toString("base64")}`);
