// SPDX-License-Identifier: Apache-2.0
// What saspctl prints and the code with which it ends.
#include "controller/ctl/outcome.hpp"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace saspd::ctl {
namespace {

using Answer = Result<boost::json::object>;

// Of a saspd whose GWM is in that state; with it established, all is well.
Answer status(std::string_view gwm_state) {
  boost::json::object health{{"state", "ok"}, {"since", "2026-01-02T03:04:05.678Z"}};
  if (gwm_state != "established") {
    health["state"] = "failed";
    health["problems"] = {{{"health", "failed"}, {"text", "no GWM is established"}},
                          {{"health", "degraded"}, {"text", "something else"}}};
  }
  return boost::json::object{
      {"schema_version", 1}, {"health", health}, {"gwm", {{{"state", gwm_state}}}}};
}

TEST(Outcome, IsZeroWheneverTheStatusCouldBeRead) {
  const auto end = outcome({}, status("trying"), false);
  EXPECT_EQ(end.code, ExitCode::ok);
  EXPECT_NE(end.out.find("failed for 0 s: no GWM is established"), std::string::npos);
  EXPECT_EQ(end.err, "");
}

TEST(Outcome, IsOneWithCheckWhenSomethingIsNotHealthy) {
  Options options;
  options.check = true;
  EXPECT_EQ(outcome(options, status("trying"), false).code, ExitCode::not_healthy);
  EXPECT_EQ(outcome(options, status("established"), false).code, ExitCode::ok);
  options.json = true;
  EXPECT_EQ(outcome(options, status("trying"), false).code, ExitCode::not_healthy);
}

TEST(Outcome, IsNeverOkOfASaspdThatDoesNotReportItsHealth) {
  Options options;
  options.check = true;
  const boost::json::object older{{"schema_version", 1}, {"gwm", {{{"state", "established"}}}}};
  const auto end = outcome(options, older, false);
  EXPECT_EQ(end.code, ExitCode::not_healthy);
  EXPECT_EQ(end.out.find("UNKNOWN"), 0U) << end.out;
  options.nagios = true;
  EXPECT_EQ(static_cast<int>(outcome(options, older, false).code), 3);
}

TEST(Outcome, IsOneLineForNagios) {
  Options options;
  options.check = options.nagios = true;
  const auto code = [&](const Answer& answer) {
    return static_cast<int>(outcome(options, answer, false).code);
  };
  const auto line = [&](const Answer& answer) { return outcome(options, answer, false).out; };
  EXPECT_EQ(code(status("established")), 0);
  EXPECT_EQ(line(status("established")), "OK - no problem\n");
  EXPECT_EQ(code(status("trying")), 2);
  EXPECT_EQ(line(status("trying")), "CRITICAL - no GWM is established (and 1 more)\n");
  auto degraded = *status("trying");
  degraded["health"].as_object()["state"] = "degraded";
  EXPECT_EQ(code(degraded), 1);
  const Answer down = fail(std::errc::connection_refused, "/run/x: refused");
  EXPECT_EQ(code(down), 2);
  EXPECT_EQ(line(down).find("CRITICAL - /run/x: refused"), 0U) << line(down);
  EXPECT_EQ(code(fail(std::errc::permission_denied, "/run/x: no")), 3);
  EXPECT_EQ(code(fail(std::errc::timed_out, "/run/x: no answer")), 3);
}

TEST(Outcome, PrintsTheObjectOfTheDaemonAsJson) {
  Options options;
  options.json = true;
  EXPECT_EQ(outcome(options, status("trying"), true).out,
            boost::json::serialize(*status("trying")) + "\n");
}

TEST(Outcome, LetsNoNameInJsonSteerTheTerminal) {
  Options options;
  options.json = true;
  const auto out = outcome(options,
                           status("\xC2\x9B"
                                  "2J\x7F\xFF"),
                           true)
                       .out;
  EXPECT_NE(out.find("\"gwm\":[{\"state\":\"\\u009b2J\\u007f\\ufffd\"}]}\n"), std::string::npos)
      << out;
}

TEST(Outcome, ShowsTheAnswerToWhyAsAParagraph) {
  Options options;
  options.command = Command::why;
  const auto end =
      outcome(options,
              boost::json::object{{"schema_version", 1}, {"members", {{{"group", "web"}}}}}, false);
  EXPECT_EQ(end.out.substr(0, 4), "web/");
}

TEST(Outcome, ShowsTheAnswerOfEachCommandInItsOwnWay) {
  const boost::json::object answer{{"schema_version", 1}, {"rules", {"-A -f 7 -s rr"}}};
  Options options;
  options.command = Command::export_rules;
  EXPECT_EQ(outcome(options, answer, true).out, "-A -f 7 -s rr\n");
  options.command = Command::plan;
  EXPECT_EQ(outcome(options, answer, true).out, "nothing to write: the kernel is as decided\n");
}

TEST(Outcome, IsOneWhenTheKernelRefusedAWrite) {
  Options options;
  options.command = Command::reconcile;
  const boost::json::object refused{{"schema_version", 1}, {"failures", {"no such service"}}};
  const boost::json::object done{{"schema_version", 1}, {"failures", boost::json::array()}};
  for (const bool json : {false, true}) {
    options.json = json;
    EXPECT_EQ(outcome(options, refused, false).code, ExitCode::not_healthy);
    EXPECT_EQ(outcome(options, done, false).code, ExitCode::ok);
  }
}

TEST(Outcome, NamesTheCauseAndTheFixWhenThereIsNoAnswer) {
  struct Case {
    std::errc error;
    ExitCode code;
    std::string help;
  };
  for (const auto& [error, code, help] : std::vector<Case>{
           {std::errc::no_such_file_or_directory, ExitCode::unavailable, "systemctl start saspd"},
           {std::errc::connection_refused, ExitCode::unavailable, "systemctl start saspd"},
           {std::errc::not_a_socket, ExitCode::unavailable, "the --control of saspd"},
           {std::errc::permission_denied, ExitCode::no_permission, "sudo"},
           {std::errc::timed_out, ExitCode::try_again, "busy"},
           {std::errc::resource_unavailable_try_again, ExitCode::try_again, "busy"},
           {std::errc::bad_message, ExitCode::data, ""},
           {std::errc::connection_reset, ExitCode::io, ""},
       }) {
    Options options;
    options.program = "saspd";
    const auto end = outcome(options, fail(error, "/run/x\x1b: cause"), false);
    EXPECT_EQ(end.code, code) << help;
    EXPECT_EQ(end.out, "");
    EXPECT_EQ(end.err.find("/run/x\\x1b: cause"), 0U) << end.err;
    EXPECT_NE(end.err.find(help), std::string::npos) << end.err;
  }
}

TEST(Outcome, NamesTheProgramWhoseSocketWasAsked) {
  Options options;
  options.program = gwm_program;
  const auto end = outcome(options, fail(std::errc::connection_refused, "/run/x"), false, true);
  EXPECT_NE(end.err.find("sasp-gwm is not running (systemctl start sasp-gwm)"), std::string::npos)
      << end.err;
}

TEST(Outcome, NamesTheOtherProgramThatIsThereAndDoesNotAskIt) {
  Options options;
  options.program = saspd_program;
  const Answer none = fail(std::errc::no_such_file_or_directory, "/run/saspd/control: none");
  const auto beside = outcome(options, none, false, true);
  EXPECT_EQ(beside.code, ExitCode::unavailable);
  EXPECT_NE(beside.err.find("saspctl --of sasp-gwm"), std::string::npos) << beside.err;
  EXPECT_EQ(outcome(options, none, false, false).err.find("sasp-gwm"), std::string::npos);
  options.program.clear();  // a socket by its path, whosever it is
  EXPECT_EQ(outcome(options, none, false, true).err.find("saspctl --of"), std::string::npos);
}

TEST(Outcome, IsNoAnswerOfAnotherProgram) {
  const boost::json::object of_gwm{
      {"schema_version", 1}, {"program", "sasp-gwm"}, {"lbs", boost::json::array()}};
  const boost::json::object refused{
      {"error", "plan is for saspd"}, {"exit_code", 64}, {"program", "sasp-gwm"}};
  Options options;
  options.socket = "/run/x";
  options.check = true;
  for (const auto& answer : {of_gwm, refused}) {
    for (const bool json : {false, true}) {
      options.json = json;
      options.program = saspd_program;
      const auto end = outcome(options, answer, false);
      EXPECT_EQ(end.code, ExitCode::data);
      EXPECT_EQ(end.err, "/run/x: sasp-gwm answers there, not saspd");
      EXPECT_EQ(end.out, "");
    }
    options.program = gwm_program;
    EXPECT_EQ(outcome(options, answer, false).err.find("answers there"), std::string::npos);
  }
  options.program = gwm_program;
  EXPECT_EQ(outcome(options, status("established"), false).code, ExitCode::data)
      << "an answer without a name is saspd's";
}

TEST(Outcome, ShowsWhatSaspGwmAnswersInItsOwnWay) {
  boost::json::object answer{{"schema_version", 1}, {"program", "sasp-gwm"}};
  Options options;
  const std::vector<std::pair<Command, std::string>> shown{
      {Command::status, "sasp-gwm - on "},
      {Command::lbs, "  no load balancers\n"},
      {Command::groups, "  no groups\n"},
      {Command::members, "  no groups\n"},
      {Command::why, ""},
      {Command::drain, "- is drained in 0 groups"},
      {Command::undrain, "- is no longer drained"},
      {Command::plan, ""}};
  for (const auto& [command, text] : shown) {
    options.command = command;
    EXPECT_EQ(outcome(options, answer, false).out.find(text), 0U) << text;
  }
  options.command = Command::status;
  options.check = true;
  EXPECT_EQ(outcome(options, answer, false).code, ExitCode::ok) << "no GWM is no problem there";
  answer["weights_error"] = "weights: line 2: bad";
  EXPECT_EQ(outcome(options, answer, false).code, ExitCode::not_healthy);
}

TEST(Outcome, EndsWithTheCodeThatTheDaemonGave) {
  const auto refused = [](boost::json::object answer) { return outcome({}, answer, false); };
  const auto end = refused({{"error", "no member 'x\x1b'"}, {"exit_code", 65}});
  EXPECT_EQ(end.code, ExitCode::data);
  EXPECT_EQ(end.err, "no member 'x\\x1b'");
  EXPECT_EQ(end.out, "");
  // An error never looks like success.
  EXPECT_EQ(refused({{"error", "x"}, {"exit_code", 0}}).code, ExitCode::internal);
  EXPECT_EQ(refused({{"error", "x"}, {"exit_code", 300}}).code, ExitCode::internal);
  EXPECT_EQ(refused({{"error", "x"}, {"exit_code", "1"}}).code, ExitCode::internal);
  EXPECT_EQ(refused({{"error", nullptr}}).code, ExitCode::internal);
}

TEST(CheckSchema, KnowsOnlyItsOwn) {
  using boost::json::object;
  EXPECT_TRUE(check_schema({{"schema_version", 1}}));
  for (const object& other :
       {object{}, object{{"schema_version", 2}}, object{{"schema_version", "1"}}}) {
    EXPECT_FALSE(check_schema(other));
  }
}

TEST(Outcome, RefusesAnAnswerOfAnotherSchema) {
  const auto end = outcome({}, boost::json::object{{"schema_version", 2}}, false);
  EXPECT_EQ(end.code, ExitCode::data);
  EXPECT_NE(end.err.find("schema_version 2"), std::string::npos);
  EXPECT_EQ(end.out, "");
}

}  // namespace
}  // namespace saspd::ctl
