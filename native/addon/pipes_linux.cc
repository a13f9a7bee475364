#include <fcntl.h>
#include <sys/resource.h>

#include <cerrno>

#include "pipes.h"

namespace warren {

namespace {

// Most of what a larger one would gain (data-plane.md, section 0).
constexpr int kPipeBytes = 256 << 10;
// Below the size of a read a pipe gains nothing; a user beyond the limit gets such tiny ones.
constexpr int kPipeBytesMin = 64 << 10;
// A quarter of what an unprivileged user may have by default.
constexpr int kPipesMax = 64;
constexpr size_t kIdleMax = 16;
constexpr auto kBackOff = std::chrono::milliseconds(250);
constexpr unsigned kSpliceFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

// Three quarters of all descriptors are in use: the rest is for connections.
bool IsShort(int fd) {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 && static_cast<rlim_t>(fd) >= limit.rlim_cur / 4 * 3;
}

}  // namespace

ssize_t Pipe::Fill(TcpLink& from, bool& unsupported) {
  if (!from.readable) return kBlocked;
  ssize_t got = FillOnce(from);
  unsupported = got == kBroken && (errno == EINVAL || errno == ENOSYS || errno == EPERM);
  if (got > 0 || got == kBroken) return got;
  // A splice stops for good in front of urgent data, and tells of it as of an empty socket or,
  // after FIN, of the end. A read goes past it.
  from.readable = true;
  if (const ssize_t waiting = from.Peek(); waiting <= 0) return waiting;
  // Or it has come a moment ago.
  got = FillOnce(from);
  unsupported = got <= 0;
  from.readable = true;
  return got;
}

ssize_t Pipe::FillOnce(TcpLink& from) {
  const ssize_t got = Attempt(from.readable, [&] {
    return splice(from.fd.get(), nullptr, in_.get(), nullptr, kPipeBytes, kSpliceFlags);
  });
  if (got > 0) length_ = static_cast<size_t>(got);
  return got;
}

ssize_t Pipe::Drain(TcpLink& to) {
  const ssize_t put = Attempt(to.writable, [&] {
    return splice(out_.get(), nullptr, to.fd.get(), nullptr, length_, kSpliceFlags);
  });
  if (put > 0) length_ -= static_cast<size_t>(put);
  return put == 0 ? kBroken : put;
}

std::unique_ptr<Pipe> Pipes::Open() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return nullptr;
  auto pipe = std::make_unique<Pipe>(UniqueFd(ends[0]), UniqueFd(ends[1]));
  if (IsShort(ends[1])) return nullptr;
  if (fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes) < 0 &&
      fcntl(ends[1], F_GETPIPE_SZ) < kPipeBytesMin) {
    return nullptr;
  }
  return pipe;
}

std::unique_ptr<Pipe> Pipes::Take(Clock::time_point now) {
  if (!idle_.empty()) {
    auto pipe = std::move(idle_.back());
    idle_.pop_back();
    return pipe;
  }
  if (open_ >= kPipesMax || now < refused_until_) return nullptr;
  auto pipe = Open();
  if (pipe == nullptr) {
    refused_until_ = now + kBackOff;
  } else {
    open_ += 1;
  }
  return pipe;
}

void Pipes::GiveBack(std::unique_ptr<Pipe> pipe) {
  if (pipe->length() > 0 || idle_.size() >= kIdleMax) {
    open_ -= 1;
    return;
  }
  idle_.push_back(std::move(pipe));
}

void Pipes::Clear() {
  open_ -= static_cast<int>(idle_.size());
  idle_.clear();
}

}  // namespace warren
