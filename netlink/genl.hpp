// SPDX-License-Identifier: Apache-2.0
// A generic netlink socket: requests out, answers in. Every wait is bounded.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <vector>

#include "netlink/message.hpp"

struct mnl_socket;

namespace saspd::netlink {

// Opens itself on first use, and again after an error that may leave answers outstanding, so that
// no later request receives them. Errors of the kernel carry its errno; no answer within `patience`
// is std::errc::timed_out.
class GenlSocket {
 public:
  static constexpr std::chrono::milliseconds patience{1000};
  // The most requests in one batch. Batching has its full effect from 16 on, and 128 error answers
  // fit the default receive buffer (237 on x86-64): then none is lost even if every request fails.
  static constexpr std::size_t max_batch = 128;

  GenlSocket();
  GenlSocket(const GenlSocket&) = delete;
  GenlSocket& operator=(const GenlSocket&) = delete;
  ~GenlSocket();

  // The id of a family. The kernel loads the module behind it if it can, and says ENOENT if not.
  Result<std::uint16_t> resolve(const char* family);

  // Sends one request that has one answer. Its attributes are valid until the next call.
  Result<ByteView> ask(Requests& request);

  // Sends one request for a dump (NLM_F_DUMP) and reads all records; `parse` turns the attributes
  // of each into a Result<Record>. A dump that the kernel reports as interrupted by changes
  // (NLM_F_DUMP_INTR; IPVS never does) is repeated.
  template <class Record, class Parse>
  Result<std::vector<Record>> dump(Requests& request, Parse parse);

  // Sends a batch of at most max_batch requests and returns those that failed, or whose answers
  // were lost, in order. If sending itself fails, the kernel has seen none of them, and all are
  // returned.
  std::vector<BatchOutcome::Failed> write(Requests& batch);

 private:
  enum class Dump { complete, interrupted };
  static constexpr int max_dumps = 5;

  Result<Dump> dump_once(Requests& request, const std::function<Result<void>(ByteView)>& record);
  static Error interrupted();

  Result<void> open();
  // The sequence number of the first request.
  Result<std::uint32_t> send(Requests& requests);
  // The next message that answers the request `sequence`.
  Result<Message> answer(std::uint32_t sequence);
  // Fills datagram_.
  Result<void> receive(std::chrono::milliseconds wait);
  Result<void> wait_readable(std::chrono::milliseconds wait);
  void close();

  struct Closer {
    void operator()(mnl_socket* socket) const;
  };
  std::unique_ptr<mnl_socket, Closer> socket_;
  std::vector<std::uint8_t> buffer_;
  ByteView datagram_;  // the part of the last datagram, in buffer_, that is not processed yet
  std::uint32_t sequence_ = 1;
};

template <class Record, class Parse>
Result<std::vector<Record>> GenlSocket::dump(Requests& request, Parse parse) {
  for (int attempt = 0; attempt < max_dumps; ++attempt) {
    std::vector<Record> records;
    const auto ended = dump_once(request, [&](ByteView attributes) -> Result<void> {
      auto record = parse(attributes);
      if (!record) return fail(record.error());
      records.push_back(std::move(*record));
      return {};
    });
    if (!ended) return fail(ended.error());
    if (*ended == Dump::complete) return records;
  }
  return fail(interrupted());
}

}  // namespace saspd::netlink
