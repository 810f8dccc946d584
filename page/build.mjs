// Builds the page's template: node build.mjs FOLDER
//
//   page.html              style, program and worker in one file; `save_page` puts a network in
//   onnxruntime.wasm.z     what calculates, packed by zlib
//   NOTICE.txt             whose programs these are, and their licences
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { build } from "esbuild";

const folder = process.argv[2];
const RUNTIME = "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm";

/** A TypeScript file and all that it imports, as one program in plain ASCII. */
async function bundled(file) {
  const { outputFiles } = await build({
    entryPoints: [file],
    bundle: true,
    write: false,
    minify: true,
    format: "iife", // workers of a page from a disk cannot be modules
    define: { "import.meta.url": '""' }, // onnxruntime need not know where it lies
    target: "es2022",
    charset: "ascii",
    legalComments: "none", // NOTICE.txt has them
    logLevel: "warning",
  });
  // Nothing in it may end the element that it will stand in.
  return outputFiles[0].text.trim().replaceAll(/<(\/script|script|!--)/gi, "\\x3C$1");
}

/** What a content-security policy calls a program or a style that may run. */
function allowed(text) {
  return `'sha256-${createHash("sha256").update(text, "utf8").digest("base64")}'`;
}

/** The rule that the browser holds the page to: these programs, this style, and no connection. */
function policy(early, main, style) {
  return [
    "default-src 'none'",
    `script-src ${allowed(early)} ${allowed(main)} 'wasm-unsafe-eval'`,
    `style-src ${allowed(style)}`,
    "img-src data: blob:",
    "worker-src blob:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
}

/** Whose programs the page contains. */
function notices() {
  // onnxruntime's packages name their licence, and do not bring its text along.
  const texts = {
    "dicom-parser": "node_modules/dicom-parser/LICENSE",
    "onnxruntime-common": "licences/onnxruntime.txt",
    "onnxruntime-web": "licences/onnxruntime.txt",
  };
  return Object.entries(texts)
    .map(([name, file]) => notice(name, file))
    .join("\n");
}

/** Name, version and licence of a package. */
function notice(name, file) {
  const about = join("node_modules", name, "package.json");
  const { version, license } = JSON.parse(readFileSync(about, "utf8"));
  return `${name} ${version} (${license})\n\n${readFileSync(file, "utf8").trim()}\n`;
}

/** A text in which a mark, which must be there, is replaced. */
function filled(text, mark, content) {
  if (!text.includes(mark)) {
    throw new Error(`src/ui/page.html has no ${mark}`);
  }
  return text.replace(mark, () => content);
}

const style = readFileSync("src/ui/style.css", "utf8").trim();
const early = await bundled("src/early.ts");
const main = await bundled("src/main.ts");
const worker = await bundled("src/network/worker.ts");
const rule = policy(early, main, style);
const head = [
  `<meta http-equiv="Content-Security-Policy" content="${rule}">`,
  `<script>${early}</script>`,
];
const programs = [
  `<script type="text/plain" id="worker">${worker}</script>`,
  `<script>${main}</script>`,
];
let page = readFileSync("src/ui/page.html", "utf8");
page = filled(page, "<!--HEAD-->", head.join("\n"));
page = filled(page, "<!--STYLE-->", `<style>${style}</style>`);
page = filled(page, "<!--SCRIPT-->", programs.join("\n"));
writeFileSync(join(folder, "page.html"), page);
writeFileSync(join(folder, "NOTICE.txt"), notices());
writeFileSync(join(folder, "onnxruntime.wasm.z"), deflateSync(readFileSync(RUNTIME), { level: 9 }));
