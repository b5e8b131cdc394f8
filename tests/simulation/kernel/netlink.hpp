// SPDX-License-Identifier: Apache-2.0
// Generic netlink as libmnl's sockets show it, in front of an IpvsKernel: the linker leads the calls
// of libmnl that netlink/genl.cpp makes to here (-Wl,--wrap), so that all above them is the product's
// own code. One message of a batch, and one part of a dump, is one step.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "tests/simulation/kernel/ipvs.hpp"

struct nlmsghdr;

namespace saspd::simulation {

// Decides what becomes of steps. What it throws ends the process that made the call.
class Fate {
 public:
  Fate() = default;
  Fate(const Fate&) = delete;
  Fate& operator=(const Fate&) = delete;
  virtual ~Fate() = default;

  enum class Step : std::uint8_t { question, dump_part, write };
  // Before each step, and after each write: others may act, or we end.
  virtual void before(Step step) = 0;
  virtual void after_write() = 0;
  // An errno with which this call fails before it has any effect; 0: it does not.
  virtual int send_fails() = 0;
  virtual int receive_fails() = 0;
  // An errno with which the kernel answers this write instead of doing it; 0: it does it.
  virtual int write_fails() = 0;
  // Whether the answers that follow in this batch do not fit the receive buffer.
  virtual bool answers_overflow() = 0;
  // The rows of a part of a dump.
  virtual std::size_t part() = 0;
  // What our dumps show: each row at its own moment, and what they did not have.
  virtual void shown(const lb::ServiceKey& service, const Server& server, const Real& real) = 0;
  virtual void dumped(const lb::ServiceKey& service, const std::vector<Server>& servers) = 0;
  virtual void absent(const lb::ServiceKey& service) = 0;
};

// The kernel that sockets lead to which are opened until the end of this object.
class NetlinkKernel {
 public:
  NetlinkKernel(IpvsKernel& ipvs, Fate& fate);
  NetlinkKernel(const NetlinkKernel&) = delete;
  NetlinkKernel& operator=(const NetlinkKernel&) = delete;
  ~NetlinkKernel();

  class Socket;

 private:
  friend class Socket;
  IpvsKernel& ipvs_;
  Fate& fate_;
};

}  // namespace saspd::simulation
