#pragma once

#include <string>

namespace kyanite {

// All settings as Markdown: for each group of keys a heading and a table of key, default, values, the names
// in the environment and on the command line, and the meaning. Made from the schema and the rows of keys.cpp,
// so that the documents cannot say something else; docs/configuration.md holds this text and a test compares
// them.
std::string settings_reference();

}  // namespace kyanite
