// Putting the questions of servers before the person at the terminal.
#pragma once

#include "agent/server_questions.h"
#include "tools/tsukai/output.h"

namespace tsukai::cli {

// A form is asked field by field, an address is shown whole and never opened by itself. Ending the input
// declines. `output` outlives it.
agent::Elicit elicit_at_terminal(Output& output);

// What was typed for a form's field, as its schema wants it; an error says what it wants.
Result<Json> field_value(const Json& schema, const std::string& typed);

}  // namespace tsukai::cli
