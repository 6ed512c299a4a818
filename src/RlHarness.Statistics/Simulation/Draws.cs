using RlHarness.Core.Randomness;

namespace RlHarness.Statistics.Simulation;

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
