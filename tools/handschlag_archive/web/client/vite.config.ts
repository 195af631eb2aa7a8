import { readFileSync } from "node:fs";
import { type Plugin, defineConfig } from "vite";

const MADE_OF = ["@hpke/core", "@hpke/common", "@hpke/dhkem-x25519", "@hpke/hybridkem-x-wing", "mlkem", "hash-wasm"];

/** What others wrote travels with their licences, in one file. */
function licences(): Plugin {
  return {
    name: "licences",
    apply: "build",
    generateBundle() {
      const texts = MADE_OF.map((name) => `${name}\n\n${readFileSync(`node_modules/${name}/LICENSE`, "utf8").trim()}\n`);
      this.emitFile({ type: "asset", fileName: "licences.txt", source: texts.join(`\n${"-".repeat(78)}\n\n`) });
    },
  };
}

// Everything is served from the server's own root; nothing is inlined, since its policy allows no inline script, style or
// data URL for code.
export default defineConfig({
  base: "/",
  plugins: [licences()],
  esbuild: { legalComments: "none" },
  worker: { format: "es" },
  build: {
    outDir: "../static",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    cssCodeSplit: false,
    reportCompressedSize: false,
  },
});
