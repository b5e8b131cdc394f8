// SPDX-License-Identifier: Apache-2.0

#include "netlink/genl.hpp"

#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <utility>

#include <fmt/format.h>

#include "controller/base/clock.hpp"

namespace saspd::netlink {
namespace {

// The kernel fills a dump up to the largest buffer that was ever offered, at most 32 KiB, and cuts
// silently if a later one is smaller (net/netlink/af_netlink.c, netlink_dump): one size for all.
constexpr std::size_t receive_size = std::size_t{32} * 1024;
constexpr int send_buffer = 64 * 1024;
static_assert(GenlSocket::max_batch * Requests::max_request + 32 <= send_buffer,
              "a send is limited to SO_SNDBUF - 32 bytes (netlink_sendmsg)");

Error system_error(const char* what, int number) {
  const std::error_code code(number, std::generic_category());
  return fail(code, fmt::format("{}: {}", what, code.message()));
}

}  // namespace

void GenlSocket::Closer::operator()(mnl_socket* socket) const {
  mnl_socket_close(socket);
}

GenlSocket::GenlSocket() : buffer_(receive_size) {}
GenlSocket::~GenlSocket() = default;

Result<std::uint16_t> GenlSocket::resolve(const char* family) {
  Requests request(1);
  mnl_attr_put_strz(&request.add(GENL_ID_CTRL, 1, CTRL_CMD_GETFAMILY), CTRL_ATTR_FAMILY_NAME,
                    family);
  const auto answered = ask(request);
  if (!answered) return fail(at(fmt::format("family {}", family), answered.error()));
  Attributes attributes(*answered, "family");
  const auto id = attributes.u16(CTRL_ATTR_FAMILY_ID);
  if (attributes.error()) return fail(*attributes.error());
  return id;
}

Result<ByteView> GenlSocket::ask(Requests& request) {
  assert(request.count() == 1);
  const auto sequence = send(request);
  if (!sequence) return fail(sequence.error());
  const auto message = answer(*sequence);
  if (!message) return fail(message.error());
  if (message->type != NLMSG_ERROR) return message->attributes();
  const auto said = verdict(*message);
  if (!said) return fail(said.error());
  return fail(std::errc::bad_message, "an acknowledgement came where data was expected");
}

Result<GenlSocket::Dump> GenlSocket::dump_once(
    Requests& request, const std::function<Result<void>(ByteView)>& record) {
  assert(request.count() == 1);
  const auto sequence = send(request);
  if (!sequence) return fail(sequence.error());
  Dump ended = Dump::complete;
  for (;;) {
    const auto message = answer(*sequence);
    if (!message) return fail(message.error());
    if ((message->flags & NLM_F_DUMP_INTR) != 0) ended = Dump::interrupted;
    if (message->type == NLMSG_DONE || message->type == NLMSG_ERROR) {
      if (const auto said = verdict(*message); !said) return fail(said.error());
      return ended;
    }
    const auto attributes = message->attributes();
    const auto taken = attributes ? record(*attributes) : fail(attributes.error());
    if (!taken) {
      close();  // the rest of the dump is still on its way
      return fail(taken.error());
    }
  }
}

Error GenlSocket::interrupted() {
  return fail(std::errc::resource_unavailable_try_again,
              fmt::format("the table changed during each of {} dumps", max_dumps));
}

std::vector<BatchOutcome::Failed> GenlSocket::write(Requests& batch) {
  assert(batch.count() > 0 && batch.count() <= max_batch);
  batch.acknowledge_last();
  const auto first = send(batch);
  BatchOutcome outcome(first ? *first : 0, batch.count());
  if (!first) outcome.not_sent(first.error());
  while (first && !outcome.complete()) {
    // The kernel has done all its work inside send(). After an overflow (ENOBUFS, reported once and
    // before what was kept), the remaining answers are there or will never arrive.
    const auto received = receive(outcome.lossy() ? std::chrono::milliseconds(0) : patience);
    if (received) {
      outcome.add(std::exchange(datagram_, {}));
    } else {
      const bool drained = outcome.lossy();
      outcome.answers_lost(received.error());
      if (drained || received.error().code != std::errc::no_buffer_space) break;
    }
  }
  if (outcome.lossy()) close();
  return outcome.failed();
}

Result<void> GenlSocket::open() {
  if (socket_) return {};
  socket_.reset(mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket_) return fail(system_error("netlink socket", errno));
  if (mnl_socket_bind(socket_.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    const int number = errno;
    close();
    return fail(system_error("binding a netlink socket", number));
  }
  // Comforts, whose lack is harmless: answers without the request in them, errors with words, and
  // room for a batch whatever net.core.wmem_default says.
  int on = 1;
  mnl_socket_setsockopt(socket_.get(), NETLINK_CAP_ACK, &on, sizeof on);
  mnl_socket_setsockopt(socket_.get(), NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(mnl_socket_get_fd(socket_.get()), SOL_SOCKET, SO_SNDBUFFORCE, &send_buffer,
               sizeof send_buffer);
  return {};
}

Result<std::uint32_t> GenlSocket::send(Requests& requests) {
  if (const auto opened = open(); !opened) return fail(opened.error());
  const std::uint32_t first = sequence_;
  sequence_ += static_cast<std::uint32_t>(requests.count());
  requests.number(first);
  datagram_ = {};
  const ByteView bytes = requests.bytes();
  ssize_t sent = 0;
  do {
    sent = mnl_socket_sendto(socket_.get(), bytes.data(), bytes.size());
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return first;
  const int number = errno;
  close();
  return fail(system_error("sending to the kernel", number));
}

Result<Message> GenlSocket::answer(std::uint32_t sequence) {
  for (;;) {
    while (!datagram_.empty()) {
      auto message = take_message(datagram_);
      if (message && message->sequence == sequence) return message;
      if (message) continue;  // the answer to a request that was given up
      close();
      return fail(message.error());
    }
    if (const auto received = receive(patience); !received) {
      close();
      return fail(received.error());
    }
  }
}

Result<void> GenlSocket::receive(std::chrono::milliseconds wait) {
  for (;;) {
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer_.data(), buffer_.size());
    if (size >= 0) {
      datagram_ = ByteView(buffer_).first(static_cast<std::size_t>(size));
      return {};
    }
    if (errno == ENOSPC) {  // libmnl's word for MSG_TRUNC
      return fail(std::errc::message_size,
                  fmt::format("netlink datagram longer than {} bytes", receive_size));
    }
    if (errno == EAGAIN) {
      if (const auto readable = wait_readable(wait); !readable) return fail(readable.error());
    } else if (errno != EINTR) {
      return fail(system_error("receiving from the kernel", errno));
    }
  }
}

Result<void> GenlSocket::wait_readable(std::chrono::milliseconds wait) {
  const TimePoint deadline = Clock::now() + wait;
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd watched{mnl_socket_get_fd(socket_.get()), POLLIN, 0};
    const int ready = ::poll(&watched, 1, std::max(0, static_cast<int>(left.count())));
    if (ready > 0) return {};
    if (ready == 0) {
      return fail(std::errc::timed_out,
                  fmt::format("no answer from the kernel within {} ms", wait.count()));
    }
    if (errno != EINTR) return fail(system_error("waiting for the kernel", errno));
  }
}

void GenlSocket::close() {
  socket_.reset();
  datagram_ = {};
}

}  // namespace saspd::netlink
