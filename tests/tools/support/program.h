// Runs the built `tsukai` as a person or a script would, in a home of its own.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "support/scratch_dir.h"

namespace tsukai::cli {

struct Finished {
  int exit = -1;  // 128 + the signal when one ended it.
  std::string out;
  std::string err;  // On a pseudo-terminal both streams are in `out`.
};

// HOME, XDG folders and the user are the test's own; nothing of the real ones is read or written.
class Home {
 public:
  Home();
  std::string operator/(std::string_view name) const { return folder_ / name; }
  std::string write(std::string_view name, std::string_view bytes) const {
    return folder_.write(name, bytes);
  }
  std::string path() const { return folder_.path(); }
  std::map<std::string, std::string> environment;

 private:
  ScratchDir folder_;
};

// A started program. Its working folder is the home. Killed by the destructor if it still runs.
class Program {
 public:
  enum class Streams { kPipes, kTerminal };
  Program(const Home& home, std::vector<std::string> words, Streams streams = Streams::kPipes);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void send_signal(int signal);
  // What a person types, on a terminal; it is read when the program asks.
  void type(std::string_view text);
  // Reads until standard output (or the terminal) has shown `part`, after what was waited for before; throws
  // after kProgramSecondsMax.
  void wait_for_output(std::string_view part);
  // Reads both streams to their end and reaps it; kills it after kProgramSecondsMax.
  Finished finish();
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int out_ = -1, err_ = -1;
  std::string seen_;            // Of out_, before finish();
  std::size_t waited_for_ = 0;  // so much of it was waited for.
};

// The program `tsukai` of this build.
std::string tsukai_program();
// tsukai WORDS..., to its end.
Finished tsukai(const Home& home, std::vector<std::string> words);
Finished tsukai_on_terminal(const Home& home, std::vector<std::string> words);

// "sh", "toy_server.sh" and its folder: what stands behind --.
std::vector<std::string> toy_server(const Home& home);

// Waits for a file that some process writes, 10 s at most; its contents.
std::string wait_for_file(const std::string& path);

std::vector<std::string> operator+(std::vector<std::string> left, const std::vector<std::string>& right);

}  // namespace tsukai::cli
