// One direction of a relay: from one link to the other, by copying or by splicing.
//
// A quiet direction owns no buffer: what comes is read into the thread's and written at once; only
// what the other side does not take is kept, and nothing more is read before that has gone. A read
// that fills the buffer means bulk: the direction borrows a pipe and splices until the flow is thin
// or stops. The same policy as native/core/src/direction.rs.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "pipes.h"
#include "tcp_link.h"

namespace warren {

inline constexpr size_t kBufferBytes = 65'536;

// What the relays of one thread share.
struct Workspace {
  std::vector<uint8_t> buffer = std::vector<uint8_t>(kBufferBytes);
  Pipes pipes;
  // As of the last wait.
  Clock::time_point now = Clock::now();
};

enum class Turn {
  kBlocked,     // The links have to be waited for.
  kMore,        // More is there; others have their turn first.
  kEnded,       // FIN has been passed on.
  kFromBroken,  // The link that is read.
  kToBroken,    // The link that is written.
};

class Direction {
 public:
  // `unwritten` goes out ahead of everything that is read, and is not counted.
  explicit Direction(std::vector<uint8_t> unwritten) : rest_(std::move(unwritten)) {}

  // Moves what can be moved now. `is_last`: the other direction has ended, so that closing both
  // links, which follows, is the FIN.
  Turn Run(TcpLink& from, TcpLink& to, Workspace& workspace, bool is_last);
  // Gives its pipe back if it has been dry for a while.
  void GiveBackIfDry(Workspace& workspace);
  void GiveBack(Workspace& workspace);

  bool source_ended() const { return source_ended_; }
  // FIN has been read, and all before it is with the system.
  bool has_ended() const { return source_ended_ && is_flushed(); }
  bool is_splicing() const { return pipe_ != nullptr; }
  // Bytes that have been read; may be asked by any thread.
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Whether bytes have been read or written since it was asked last.
  bool TakeMoved() { return std::exchange(moved_, false); }

 private:
  bool is_flushed() const { return rest_.empty() && (pipe_ == nullptr || pipe_->length() == 0); }
  ssize_t Begin(TcpLink& from, Workspace& workspace);
  ssize_t Flush(TcpLink& to);
  ssize_t Fill(TcpLink& from, Workspace& workspace);
  ssize_t Copy(TcpLink& from, TcpLink& to, Workspace& workspace, bool& to_broke);
  void CountRead(size_t length);

  // Read but not taken by the other side.
  std::vector<uint8_t> rest_;
  size_t rest_written_ = 0;
  std::unique_ptr<Pipe> pipe_;
  int thin_fills_ = 0;
  // When the pipe was filled last.
  Clock::time_point filled_at_{};
  std::atomic<uint64_t> bytes_ = 0;
  bool begun_ = false;
  bool source_ended_ = false;
  bool fin_passed_ = false;
  bool copy_only_ = false;
  bool moved_ = false;
};

}  // namespace warren
