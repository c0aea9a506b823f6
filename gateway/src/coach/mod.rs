//! AI feedback: the AI agent at `AI_AGENT_URL`, or the built-in coach.
