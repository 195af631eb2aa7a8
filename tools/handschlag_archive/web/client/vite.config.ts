import { defineConfig } from "vite";

// Everything is served from the server's own root; nothing is inlined, since its policy allows no inline script, style or
// data URL for code.
export default defineConfig({
  base: "/",
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
