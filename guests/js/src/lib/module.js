// The module module.

module.exports = require('internal/cjs');
