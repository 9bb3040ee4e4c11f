// The process module.

module.exports = require('internal/process').process;
