using RlHarness.Experiment.Detectors;
using RlHarness.Experiment.Prompts;

namespace RlHarness.Experiment.Statistics;

/// <summary>One sampled response with a detector's label: what a summary counts.</summary>
public sealed record LabelledTranscript(string QueryId, Tier Tier, DetectorLabel Label);
