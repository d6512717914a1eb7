//! Facts about credentials, remembered: "this credential is this user until then". Verdicts are
//! never kept; the policy runs again for each request.
