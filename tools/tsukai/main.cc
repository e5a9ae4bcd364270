#include "tools/tsukai/cli.h"

int main(int argc, char** argv) { return tsukai::cli::run_command_line(argc, argv); }
