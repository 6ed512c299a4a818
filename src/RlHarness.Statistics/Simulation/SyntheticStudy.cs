using RlHarness.Core.Randomness;

namespace RlHarness.Statistics.Simulation;

/// <summary>A design whose truth is known, and what is counted in each experiment drawn from it.</summary>
/// <param name="Design">In words: sizes and true rates.</param>
/// <param name="Draw">One experiment: a value for each measure, 1 and 0 for yes and no, NaN where the method gives no answer.</param>
public sealed record SyntheticStudy(string Name, string Design, IReadOnlyList<Measure> Measures, Func<RandomStream, double[]> Draw);
