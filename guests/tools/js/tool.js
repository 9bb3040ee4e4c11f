#!/usr/bin/env node
// Prints the table of contents of a Markdown file: ./tool.js README.md

const { readFileSync } = require("fs");

const path = process.argv[2];
if (!path) {
  console.error("usage: ./tool.js FILE.md");
  process.exit(1);
}
for (const [, marks, title] of readFileSync(path, "utf8").matchAll(/^(#+) (.+)$/gm)) {
  console.log(`${"  ".repeat(marks.length - 1)}- ${title}`);
}
