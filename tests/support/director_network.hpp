// SPDX-License-Identifier: Apache-2.0
// A client, a director and servers, each a host of its own: network namespaces joined by veth
// pairs. The service address stands on every server, which answers the client itself through the
// director's ordinary routing (Direct Server Return).
//
//   client eth0 198.51.100.2 -- c0 director s1..sN -- eth0 server N, 10.0.N.2
//   and the same in IPv6:      2001:db8:c::2         2001:db8:N::2
#pragma once

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/kernel_namespace.hpp"

namespace saspd::kernel {

// Pins vanish with it.
class BpfFileSystem {
 public:
  BpfFileSystem() {
    char name[] = "/tmp/saspd-bpffs-XXXXXX";
    if (::mkdtemp(name) == nullptr || ::mount("bpf", name, "bpf", 0, "") != 0) {
      give_up("a bpf file system (root is needed)");
    }
    path_ = name;
  }
  BpfFileSystem(const BpfFileSystem&) = delete;
  BpfFileSystem& operator=(const BpfFileSystem&) = delete;
  ~BpfFileSystem() {
    ::umount2(path_.c_str(), MNT_DETACH);
    ::rmdir(path_.c_str());
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A network namespace to act in. It lives as long as this object, or something in it.
class Host {
 public:
  Host() {
    std::thread([this] {
      if (::unshare(CLONE_NEWNET) == 0)
        own_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
    }).join();
    if (own_ < 0) give_up("a new network namespace (root is needed)");
    run([] { ip_batch("link set lo up\n"); });
  }
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;
  ~Host() { ::close(own_); }

  // Runs `action` there, in a thread of its own.
  void run(const std::function<void()>& action) const {
    std::exception_ptr failure;
    std::thread([&] {
      try {
        if (::setns(own_, CLONE_NEWNET) != 0) give_up("setns");
        action();
      } catch (...) {
        failure = std::current_exception();
      }
    }).join();
    if (failure) std::rethrow_exception(failure);
  }
  void ip(std::string_view lines) const {
    run([lines] { ip_batch(lines); });
  }
  // As ip(8) takes it.
  std::string path() const { return fmt::format("/proc/{}/fd/{}", ::getpid(), own_); }

 private:
  int own_ = -1;
};

inline void set_offload(const char* interface, std::uint32_t command, bool on) {
  const int socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ethtool_value value{command, on ? 1U : 0U};
  ifreq request{};
  std::strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
  request.ifr_data = reinterpret_cast<char*>(&value);
  const int status = ::ioctl(socket, SIOCETHTOOL, &request);
  ::close(socket);
  if (status != 0) give_up("ethtool");
}

class DirectorNetwork {
 public:
  static constexpr std::string_view vip = "192.0.2.10";
  static constexpr std::string_view vip6 = "2001:db8:f::10";

  explicit DirectorNetwork(int count) {
    // What a namespace's sysctls are, processes in it see; in this one everything is forwarded.
    director.run([] {
      for (const char* name : {"ipv4/ip_forward", "ipv6/conf/all/forwarding"})
        set(name, "1");
      for (const char* name : {"ipv4/conf/all/rp_filter", "ipv4/conf/default/rp_filter",
                               "ipv4/conf/all/send_redirects", "ipv4/conf/default/send_redirects"})
        set(name, "0");
    });
    join(client, "c0");
    director.ip("address add 198.51.100.1/24 dev c0\naddress add 2001:db8:c::1/64 dev c0 nodad\n");
    client.ip(
        "address add 198.51.100.2/24 dev eth0\naddress add 2001:db8:c::2/64 dev eth0 nodad\n"
        "route add default via 198.51.100.1\nroute add ::/0 via 2001:db8:c::1\n");
    // A driver's checksum is never completed on the way through XDP (veth).
    client.run([] { set_offload("eth0", ETHTOOL_STXCSUM, false); });
    for (int n = 1; n <= count; ++n)
      add_server(n);
  }

  Host client;
  Host director;
  std::vector<std::unique_ptr<Host>> servers;  // number 1 is the first

 private:
  static void set(const std::string& name, const std::string& value) {
    std::ofstream file("/proc/sys/net/" + name);
    file << value << std::flush;
    if (!file) throw std::runtime_error(name + " cannot be set");
  }

  void join(const Host& host, const std::string& name) const {
    director.ip(fmt::format("link add {0} type veth peer name eth0 netns {1}\nlink set {0} up\n",
                            name, host.path()));
    host.ip("link set eth0 up\n");
  }

  void add_server(int n) {
    servers.push_back(std::make_unique<Host>());
    const Host& server = *servers.back();
    server.run([] {
      set("ipv4/conf/all/rp_filter", "0");
      set("ipv4/conf/default/rp_filter", "0");
    });
    join(server, fmt::format("s{}", n));
    director.ip(fmt::format(
        "address add 10.0.{0}.1/24 dev s{0}\naddress add 2001:db8:{0}::1/64 dev s{0} nodad\n", n));
    server.ip(fmt::format(
        "address add 10.0.{0}.2/24 dev eth0\naddress add 2001:db8:{0}::2/64 dev eth0 nodad\n"
        "address add {1}/32 dev lo\naddress add {2}/128 dev lo nodad\n"
        "route add default via 10.0.{0}.1\nroute add ::/0 via 2001:db8:{0}::1\n",
        n, vip, vip6));
    // Frames that XDP redirects reach a veth only with NAPI, which GRO turns on.
    server.run([] { set_offload("eth0", ETHTOOL_SGRO, true); });
  }
};

}  // namespace saspd::kernel
