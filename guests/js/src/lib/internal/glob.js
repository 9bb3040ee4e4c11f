// Globs as regular expressions: `*`, `?`, `**`, `[a-z]`, `{a,b}`.

function toRegExp(glob) {
  let source = '';
  let braces = 0;
  for (let i = 0; i < glob.length; i++) {
    const character = glob[i];
    if (character === '*') {
      const deep = glob[i + 1] === '*';
      if (!deep) {
        source += '[^/]*';
      } else if (glob[i + 2] === '/') {
        source += '(?:[^/]+/)*';
        i += 2;
      } else {
        source += '.*';
        i += 1;
      }
    } else if (character === '?') {
      source += '[^/]';
    } else if (character === '[' && glob.indexOf(']', i + 2) !== -1) {
      const end = glob.indexOf(']', i + 2);
      source += `[${glob.slice(i + 1, end).replace(/^[!^]/, '^').replaceAll('\\', '\\\\')}]`;
      i = end;
    } else if (character === '{') {
      source += '(?:';
      braces++;
    } else if (character === '}' && braces > 0) {
      source += ')';
      braces--;
    } else if (character === ',' && braces > 0) {
      source += '|';
    } else {
      source += character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&');
    }
  }
  return new RegExp(`^${source}$`);
}

module.exports = { toRegExp };
