#include "direction.h"

namespace warren {

namespace {

// Bytes per turn, so that one bulk stream does not hold up the others of its thread.
constexpr uint64_t kTurnBytes = 262'144;
// Fills below this are better copied; after so many in a row the pipe is given back.
constexpr ssize_t kThinFillBytes = 16'384;
constexpr int kThinFillsMax = 8;
// So long without a byte, and the pipe is given back.
constexpr auto kDry = std::chrono::milliseconds(100);

}  // namespace

Turn Direction::Run(TcpLink& from, TcpLink& to, Workspace& workspace, bool is_last) {
  if (!std::exchange(begun_, true) && Begin(from, workspace) == kBroken) return Turn::kFromBroken;
  const uint64_t until = bytes() + kTurnBytes;
  for (;;) {
    const ssize_t flushed = Flush(to);
    if (flushed == kBroken) return Turn::kToBroken;
    if (flushed == kBlocked) return Turn::kBlocked;
    if (source_ended_) {
      GiveBack(workspace);
      if (!is_last && !std::exchange(fin_passed_, true)) to.Finish();
      return Turn::kEnded;
    }
    if (bytes() >= until) return Turn::kMore;
    bool to_broke = false;
    const ssize_t read =
        pipe_ != nullptr ? Fill(from, workspace) : Copy(from, to, workspace, to_broke);
    if (to_broke) return Turn::kToBroken;
    if (read == kBroken) return Turn::kFromBroken;
    if (read == kBlocked) return Turn::kBlocked;
  }
}

// What it begins with and what is at hand go out in one write.
ssize_t Direction::Begin(TcpLink& from, Workspace& workspace) {
  if (rest_.empty() || rest_.size() >= kBufferBytes) return 0;
  const ssize_t got = from.Read(workspace.buffer.data(), kBufferBytes - rest_.size());
  if (got == 0) source_ended_ = true;
  if (got > 0) {
    CountRead(static_cast<size_t>(got));
    rest_.insert(rest_.end(), workspace.buffer.begin(), workspace.buffer.begin() + got);
  }
  return got;
}

// Writes what is on its way. kBlocked: the other side does not take it now.
ssize_t Direction::Flush(TcpLink& to) {
  while (pipe_ != nullptr && pipe_->length() > 0) {
    const ssize_t put = pipe_->Drain(to);
    if (put < 0) return put;
    moved_ = true;
  }
  while (!rest_.empty()) {
    const ssize_t put = to.Write(rest_.data() + rest_written_, rest_.size() - rest_written_);
    if (put < 0) return put;
    moved_ = true;
    rest_written_ += static_cast<size_t>(put);
    if (rest_written_ == rest_.size()) {
      // `= {}` would keep the memory.
      rest_ = std::vector<uint8_t>();
      rest_written_ = 0;
    }
  }
  return 0;
}

// One read into the pipe. kBlocked: the source is dry.
ssize_t Direction::Fill(TcpLink& from, Workspace& workspace) {
  bool unsupported = false;
  const ssize_t got = pipe_->Fill(from, unsupported);
  if (got > 0) {
    CountRead(static_cast<size_t>(got));
    filled_at_ = workspace.now;
    thin_fills_ = got >= kThinFillBytes ? 0 : thin_fills_ + 1;
  } else if (got == 0) {
    source_ended_ = true;
  } else if (unsupported) {
    copy_only_ = true;
    GiveBack(workspace);
    return 0;
  } else if (got == kBlocked && thin_fills_ >= kThinFillsMax) {
    GiveBack(workspace);
  }
  return got;
}

// One read and one write through the thread's buffer. kBlocked: the source is dry, or the other
// side is full.
ssize_t Direction::Copy(TcpLink& from, TcpLink& to, Workspace& workspace, bool& to_broke) {
  // Never read what cannot be written.
  if (!to.writable) return kBlocked;
  const ssize_t got = from.Read(workspace.buffer.data(), kBufferBytes);
  if (got < 0) return got;
  if (got == 0) {
    source_ended_ = true;
    return 0;
  }
  const auto length = static_cast<size_t>(got);
  CountRead(length);
  const ssize_t put = to.Write(workspace.buffer.data(), length);
  to_broke = put == kBroken;
  const size_t written = put < 0 ? 0 : static_cast<size_t>(put);
  if (written < length) {
    rest_.assign(workspace.buffer.begin() + static_cast<ptrdiff_t>(written),
                 workspace.buffer.begin() + got);
  } else if (length == kBufferBytes && !copy_only_) {
    pipe_ = workspace.pipes.Take(workspace.now);
    thin_fills_ = 0;
    filled_at_ = workspace.now;
  }
  return got;
}

void Direction::CountRead(size_t length) {
  moved_ = true;
  // One thread writes: no read-modify-write is needed.
  bytes_.store(bytes() + length, std::memory_order_relaxed);
}

void Direction::GiveBackIfDry(Workspace& workspace) {
  if (pipe_ == nullptr || pipe_->length() > 0) return;
  if (workspace.now - filled_at_ >= kDry) GiveBack(workspace);
}

void Direction::GiveBack(Workspace& workspace) {
  if (pipe_ != nullptr) workspace.pipes.GiveBack(std::move(pipe_));
}

}  // namespace warren
