namespace RlHarness.Statistics;

/// <summary>
/// Monotone association of two series, ties allowed: Spearman's ρ on mid-ranks with t on n − 2 degrees of freedom, and Kendall's τ_b with the tie-corrected
/// variance of S (Kendall 1970); the exact p of S only without ties. NaN where a series does not vary.
/// </summary>
internal sealed record RankCorrelation(
    int N,
    double Spearman,
    double SpearmanP,
    double KendallTauB,
    double KendallS,
    double KendallVariance,
    double KendallZ,
    double KendallP,
    double KendallExactP
)
{
    public static RankCorrelation Of(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(y);
        Guard.SameLength(x.Count, y.Count, "x and y");
        Guard.That(x.Count > 1, "two points or more are needed");
        var n = x.Count;
        var spearman = Pearson(MidRanks(x), MidRanks(y));
        var t = Math.Abs(spearman) >= 1 - 1e-15 ? double.PositiveInfinity : spearman * Math.Sqrt((n - 2) / (1 - (spearman * spearman)));
        var spearmanP = n > 2 && !double.IsNaN(spearman) ? (double.IsInfinity(t) ? 0 : StudentT.TwoSided(t, n - 2)) : double.NaN;

        double s = 0;
        for (var i = 0; i < n; i++)
            for (var j = i + 1; j < n; j++)
                s += Math.Sign(x[j] - x[i]) * Math.Sign(y[j] - y[i]);
        var (tx, ty) = (Ties(x), Ties(y));
        double all = n * (n - 1.0),
            px = all - tx.Sum(k => k * (k - 1)),
            py = all - ty.Sum(k => k * (k - 1));
        var tau = px > 0 && py > 0 ? 2 * s / Math.Sqrt(px * py) : double.NaN;
        double Cubic(List<double> ties) => ties.Sum(k => k * (k - 1) * ((2 * k) + 5));
        var variance =
            ((all * ((2 * n) + 5)) - Cubic(tx) - Cubic(ty)) / 18
            + (tx.Sum(k => k * (k - 1)) * ty.Sum(k => k * (k - 1)) / (2 * all))
            + (n > 2 ? tx.Sum(k => k * (k - 1) * (k - 2)) * ty.Sum(k => k * (k - 1) * (k - 2)) / (9 * all * (n - 2)) : 0);
        if (!(px > 0 && py > 0))
            variance = double.NaN;
        var z = variance > 0 ? s / Math.Sqrt(variance) : double.NaN;
        var untied = tx.All(k => k == 1) && ty.All(k => k == 1);
        return new(n, spearman, spearmanP, tau, s, variance, z, Normal.TwoSided(z), untied ? ExactP(n, s) : double.NaN);
    }

    /// <summary>P(|S| ≥ |s|) over all orders: numbers of inversions are counted by Mahonian recursion, as probabilities.</summary>
    private static double ExactP(int n, double s)
    {
        var pairs = n * (n - 1) / 2;
        double[] mass = [1];
        for (var k = 2; k <= n; k++)
        {
            var next = new double[mass.Length + k - 1];
            for (var i = 0; i < mass.Length; i++)
                for (var j = 0; j < k; j++)
                    next[i + j] += mass[i] / k;
            mass = next;
        }

        // S = pairs − 2 · inversions.
        var fewest = (int)Math.Round((pairs - Math.Abs(s)) / 2);
        return Math.Min(1, 2 * mass.Take(fewest + 1).Sum());
    }

    private static double Pearson(double[] a, double[] b)
    {
        double ma = a.Average(),
            mb = b.Average(),
            ab = 0,
            aa = 0,
            bb = 0;
        for (var i = 0; i < a.Length; i++)
            (ab, aa, bb) = (ab + ((a[i] - ma) * (b[i] - mb)), aa + ((a[i] - ma) * (a[i] - ma)), bb + ((b[i] - mb) * (b[i] - mb)));
        return aa > 0 && bb > 0 ? ab / Math.Sqrt(aa * bb) : double.NaN;
    }

    private static double[] MidRanks(IReadOnlyList<double> x)
    {
        var order = Enumerable.Range(0, x.Count).OrderBy(i => x[i]).ToArray();
        var ranks = new double[x.Count];
        for (var i = 0; i < order.Length;)
        {
            var j = i;
            while (j + 1 < order.Length && x[order[j + 1]] == x[order[i]])
                j++;
            for (var k = i; k <= j; k++)
                ranks[order[k]] = 1 + ((i + j) / 2.0);
            i = j + 1;
        }

        return ranks;
    }

    internal static List<double> Ties(IReadOnlyList<double> x) => [.. x.GroupBy(v => v).Select(g => (double)g.Count())];
}
