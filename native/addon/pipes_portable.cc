// Where sockets cannot be spliced: there are no pipes, and every relay copies.
#include "pipes.h"

namespace warren {

ssize_t Pipe::Fill(TcpLink&, bool& unsupported) {
  unsupported = true;
  return kBroken;
}
ssize_t Pipe::Drain(TcpLink&) { return kBroken; }
std::unique_ptr<Pipe> Pipes::Take(Clock::time_point) { return nullptr; }
void Pipes::GiveBack(std::unique_ptr<Pipe>) {}
void Pipes::Clear() {}

}  // namespace warren
