// The pipes through which relays splice. A pipe costs two descriptors and up to its size in kernel
// memory, of which a user gets little (pipe(7)): few are made, they are kept for the next relay,
// and where there is none a relay goes on copying.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <vector>

#include "tcp_link.h"
#include "unique_fd.h"

namespace warren {

using Clock = std::chrono::steady_clock;

// Bytes on their way between two sockets, held by the system.
class Pipe {
 public:
  Pipe(UniqueFd out, UniqueFd in) : out_(std::move(out)), in_(std::move(in)) {}

  size_t length() const { return length_; }
  // Moves what the socket has into the pipe, which must be empty. 0: FIN. `unsupported` is set
  // where this direction must be copied from now on, with nothing lost.
  ssize_t Fill(TcpLink& from, bool& unsupported);
  // Moves what is in the pipe to the socket, as much as it takes.
  ssize_t Drain(TcpLink& to);

 private:
  ssize_t FillOnce(TcpLink& from);

  UniqueFd out_;
  UniqueFd in_;
  size_t length_ = 0;
};

class Pipes {
 public:
  // An empty pipe; null: copy on.
  std::unique_ptr<Pipe> Take(Clock::time_point now);
  // Keeps an empty pipe for the next one; bytes that nobody wants must not come out elsewhere.
  void GiveBack(std::unique_ptr<Pipe> pipe);
  // Closes those that are idle.
  void Clear();

 private:
  std::unique_ptr<Pipe> Open();

  std::vector<std::unique_ptr<Pipe>> idle_;
  int open_ = 0;
  Clock::time_point refused_until_{};
};

}  // namespace warren
