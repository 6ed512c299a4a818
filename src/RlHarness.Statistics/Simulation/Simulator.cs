using RlHarness.Core.Randomness;

namespace RlHarness.Statistics.Simulation;

/// <summary>
/// Draws the experiments of studies. Experiment i of a study has a stream of its own, and values are summed in their order: the same seed gives the same
/// table on any number of cores.
/// </summary>
public sealed class Simulator(Seeds seeds, int experiments, int cores = 0)
{
    public const int DefaultExperiments = 10_000;

    public IReadOnlyList<SimulationRow> Run(SyntheticStudy study, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(study);
        ArgumentOutOfRangeException.ThrowIfLessThan(experiments, 2);
        var values = new double[experiments][];
        var options = new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = cores > 0 ? cores : Environment.ProcessorCount };
        Parallel.For(0, experiments, options, i => values[i] = study.Draw(seeds.For("simulate/" + study.Name, i)));
        return [.. study.Measures.Select((m, k) => Row(study, m, [.. values.Select(v => v[k])]))];
    }

    private static SimulationRow Row(SyntheticStudy study, Measure measure, double[] all)
    {
        var there = all.Where(v => !double.IsNaN(v)).ToArray();
        if (there.Length == 0)
            return new(study.Name, study.Design, measure, 0, all.Length, double.NaN, double.NaN);
        var mean = there.Average();
        var variance = there.Sum(v => (v - mean) * (v - mean)) / there.Length;
        return new(study.Name, study.Design, measure, there.Length, all.Length - there.Length, mean, Math.Sqrt(variance / there.Length));
    }
}

/// <summary>A design whose truth is known, and what is counted in each experiment drawn from it.</summary>
/// <param name="Design">In words: sizes and true rates.</param>
/// <param name="Draw">One experiment: a value for each measure, 1 and 0 for yes and no, NaN where the method gives no answer.</param>
public sealed record SyntheticStudy(string Name, string Design, IReadOnlyList<Measure> Measures, Func<RandomStream, double[]> Draw);

/// <summary>Draws that studies share.</summary>
internal static class Draws
{
    public static int Binomial(this RandomStream random, int n, double p)
    {
        var count = 0;
        for (var i = 0; i < n; i++)
            if (random.NextDouble() < p)
                count++;
        return count;
    }

    /// <summary>Counts of <paramref name="n"/> draws in cells of the given probabilities; the last cell takes the rest.</summary>
    public static int[] Multinomial(this RandomStream random, int n, params double[] p)
    {
        var counts = new int[p.Length];
        for (var i = 0; i < n; i++)
            counts[random.ChooseWeighted(p)]++;
        return counts;
    }

    public static double Covers(Interval interval, double truth) =>
        double.IsNaN(interval.Low) || double.IsNaN(interval.High) ? double.NaN
        : interval.Low <= truth + 1e-12 && truth <= interval.High + 1e-12 ? 1
        : 0;

    /// <summary>A test without an answer (NaN: nothing varies) does not reject.</summary>
    public static double Rejects(double p, double alpha = 0.05) => p <= alpha + 1e-12 ? 1 : 0;

    /// <summary>The coverage that an interval of one proportion has at this n and p: the sum of the masses of the counts whose interval holds p.</summary>
    public static double ExactCoverage(int n, double p, Func<long, long, Interval> interval) =>
        Enumerable.Range(0, n + 1).Where(x => Covers(interval(x, n), p) == 1).Sum(x => Statistics.Binomial.Mass(x, n, p));
}
