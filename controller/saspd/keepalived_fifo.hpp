// What keepalived says of its checks (lvs_notify_fifo of keepalived.conf(5)): the only way to know
// that it holds a server at 0 where our own zero is already.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/address.hpp"
#include "controller/base/descriptor.hpp"
#include "controller/lb/service.hpp"

namespace saspd {

struct KeepalivedNews {
  Endpoint server;
  // Of which service; more where the line leaves that open. Empty: of every one, because a group of
  // virtual servers has a name that only keepalived knows.
  std::vector<lb::ServiceKey> services;
  bool up = false;
  bool operator==(const KeepalivedNews&) const = default;
};

// "RS [10.0.0.1]:tcp:80 [192.0.2.10]:tcp:80 DOWN" of keepalived 2.2. Nothing: another line.
std::optional<KeepalivedNews> parse_keepalived_line(std::string_view line);

// Bytes in, news out. A line that is too long for one of keepalived's is passed over.
class KeepalivedLines {
 public:
  std::vector<KeepalivedNews> append(std::string_view bytes);
  void clear();

 private:
  std::string rest_;
  bool passing_over_ = false;
};

class KeepalivedFifo {
 public:
  explicit KeepalivedFifo(std::string path) : path_(std::move(path)) {}

  // What was said since the last call. Makes the FIFO if there is none; opens it if it was
  // replaced, after the old one is read to its end.
  std::vector<KeepalivedNews> read();
  // Of the FIFO, to be waited for; -1: there is none. Another number of generation(): another FIFO.
  int descriptor() const { return fifo_.get(); }
  unsigned generation() const { return generation_; }
  // Why it cannot be read; empty: it can.
  const std::string& error() const { return error_; }

 private:
  bool is_in_place() const;
  void open();
  void drain(std::vector<KeepalivedNews>& news);

  std::string path_;
  Descriptor fifo_;
  unsigned generation_ = 0;
  KeepalivedLines lines_;
  std::string error_;
};

}  // namespace saspd
