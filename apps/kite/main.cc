#include "cli/cli.h"

int main(int argc, char** argv) { return kite::cli::Main(argc, argv); }
