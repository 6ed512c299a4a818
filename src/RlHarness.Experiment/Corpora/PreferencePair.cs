namespace RlHarness.Experiment.Corpora;

/// <summary>Two outputs for one request, without scratchpad, tier or system prompt: what a reward model of the objective learns from.</summary>
public sealed record PreferencePair(string QueryId, string User, string Chosen, string Rejected);
