// SPDX-License-Identifier: Apache-2.0
// Answers as JSON, and back, for each of SASPD_ANSWERS and SASP_GWM_ANSWERS and for those that are
// named in json.cpp: it alone compiles the conversion.
#pragma once

#include <string>
#include <vector>

#include <boost/json/fwd.hpp>

namespace saspd::report {

template <class Answer>
boost::json::object to_json(const Answer& answer);

// What the object lacks, or has in another form than ours, is as in Answer{}; what it has beside
// our keys is passed over: it may be of an older program or of a newer one. Text in it comes from
// peers and configuration, and is escaped here (see printable), so that it can be shown.
template <class Answer>
Answer from_json(const boost::json::object& object);

// The keys of an answer, in order: "groups[].members[].advice.weight".
template <class Answer>
std::vector<std::string> key_paths();

}  // namespace saspd::report
