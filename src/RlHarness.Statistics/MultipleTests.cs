namespace RlHarness.Statistics;

/// <summary>p values adjusted for the number of tests, in the order of the inputs and at most 1.</summary>
public static class MultipleTests
{
    /// <summary>m p.</summary>
    public static double[] Bonferroni(IReadOnlyList<double> p) => [.. Checked(p).Select(x => Math.Min(1, x * p.Count))];

    /// <summary>Largest so far of (m − i + 1) p₍ᵢ₎. Holm 1979.</summary>
    public static double[] Holm(IReadOnlyList<double> p) => StepDown(p, (rank, m) => m - rank);

    /// <summary>Smallest from the top of (m − i + 1) p₍ᵢ₎. Hochberg 1988.</summary>
    public static double[] Hochberg(IReadOnlyList<double> p) => StepUp(p, (rank, m) => m - rank);

    /// <summary>Smallest from the top of m p₍ᵢ₎ / i: false discovery rate. Benjamini and Hochberg 1995.</summary>
    public static double[] BenjaminiHochberg(IReadOnlyList<double> p) => StepUp(p, (rank, m) => m / (rank + 1.0));

    /// <summary>Benjamini and Hochberg's values times Σ 1/i, under any dependence. Benjamini and Yekutieli 2001.</summary>
    public static double[] BenjaminiYekutieli(IReadOnlyList<double> p)
    {
        ArgumentNullException.ThrowIfNull(p);
        var harmonic = Enumerable.Range(1, p.Count).Sum(i => 1.0 / i);
        return StepUp(p, (rank, m) => m * harmonic / (rank + 1));
    }

    private static double[] StepDown(IReadOnlyList<double> p, Func<int, int, double> factor)
    {
        var adjusted = new double[Checked(p).Count];
        var worst = 0.0;
        var order = Enumerable.Range(0, p.Count).OrderBy(i => p[i]).ToArray();
        for (var rank = 0; rank < order.Length; rank++)
            adjusted[order[rank]] = worst = Math.Min(1, Math.Max(worst, p[order[rank]] * factor(rank, p.Count)));
        return adjusted;
    }

    private static double[] StepUp(IReadOnlyList<double> p, Func<int, int, double> factor)
    {
        var adjusted = new double[Checked(p).Count];
        var best = 1.0;
        var order = Enumerable.Range(0, p.Count).OrderBy(i => p[i]).ToArray();
        for (var rank = order.Length - 1; rank >= 0; rank--)
            adjusted[order[rank]] = best = Math.Min(best, p[order[rank]] * factor(rank, p.Count));
        return adjusted;
    }

    private static IReadOnlyList<double> Checked(IReadOnlyList<double> p)
    {
        ArgumentNullException.ThrowIfNull(p);
        foreach (var value in p)
            Guard.Probability(value);
        return p;
    }
}
