#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>
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
constexpr auto kIdleTime = std::chrono::seconds(10);
constexpr auto kBackOff = std::chrono::milliseconds(250);

// Three quarters of all descriptors are in use: the rest is for connections.
bool IsShort(int fd) {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 && static_cast<rlim_t>(fd) >= limit.rlim_cur / 4 * 3;
}

}  // namespace

ssize_t Pipe::Fill(TcpLink& from, bool& unsupported) {
  if (!from.readable) return kBlocked;
  ssize_t got;
  do {
    got = splice(from.fd.get(), nullptr, in_.get(), nullptr, kPipeBytes,
                 SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (got < 0 && errno == EINTR);
  if (got >= 0) {
    length_ = static_cast<size_t>(got);
    return got;
  }
  if (errno == EAGAIN) {
    from.readable = false;
    return kBlocked;
  }
  unsupported = errno == EINVAL || errno == ENOSYS || errno == EPERM;
  return kBroken;
}

ssize_t Pipe::Drain(TcpLink& to) {
  if (!to.writable) return kBlocked;
  ssize_t put;
  do {
    put = splice(out_.get(), nullptr, to.fd.get(), nullptr, length_,
                 SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
  } while (put < 0 && errno == EINTR);
  if (put > 0) {
    length_ -= static_cast<size_t>(put);
    return put;
  }
  if (put == 0 || errno != EAGAIN) return kBroken;
  to.writable = false;
  return kBlocked;
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
    unneeded_ = std::min(unneeded_, idle_.size());
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

void Pipes::Trim(Clock::time_point now) {
  if (now < trim_at_) return;
  // Those at the front: the last one given back is the next one taken.
  const size_t unneeded = std::min(unneeded_, idle_.size());
  idle_.erase(idle_.begin(), idle_.begin() + static_cast<ptrdiff_t>(unneeded));
  open_ -= static_cast<int>(unneeded);
  unneeded_ = idle_.size();
  trim_at_ = now + kIdleTime;
}

}  // namespace warren
