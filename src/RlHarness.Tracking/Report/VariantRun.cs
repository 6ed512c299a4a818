namespace RlHarness.Tracking.Report;

/// <summary>One run of a comparison.</summary>
/// <param name="Variant">What it is a run of: a cell of a design, a model of a sweep. Runs of one variant differ by their seed alone.</param>
/// <param name="Seed">Null where it has none of its own.</param>
/// <param name="Folder">The run's folder.</param>
/// <param name="Detector">Whose labels to draw; null: as in the run's own report.</param>
public sealed record VariantRun(string Variant, int? Seed, string Folder, string? Detector = null);
