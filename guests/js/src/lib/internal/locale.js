// What depends on a language, for the one there is: American English.

function install() {}

module.exports = { install };
