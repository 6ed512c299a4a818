namespace RlHarness.Statistics;

/// <summary>
/// Two conditions with several seeds each, a minus b: Welch's, pooled and (by position, for equal numbers) paired t tests, and the exact permutation p, the
/// share of regroupings whose |difference| reaches the observed one; NaN above 200,000 regroupings.
/// </summary>
internal sealed record SeedsTwoSamples(double Difference, TTest Welch, TTest Pooled, TTest Paired, double PermutationP)
{
    private const double MostRegroupings = 200_000;

    public static SeedsTwoSamples Compare(IReadOnlyList<double> a, IReadOnlyList<double> b, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        Guard.That(a.Count > 1 && b.Count > 1, "two seeds or more of each condition are needed");
        Guard.Fraction(confidence);
        double n = a.Count,
            m = b.Count,
            va = Variance(a),
            vb = Variance(b),
            difference = a.Average() - b.Average();
        double wa = va / n,
            wb = vb / m;
        var df = (wa + wb) * (wa + wb) / ((wa * wa / (n - 1)) + (wb * wb / (m - 1)));
        var pooled = (((n - 1) * va) + ((m - 1) * vb)) / (n + m - 2);
        var paired = a.Count == b.Count ? Math.Sqrt(Variance([.. a.Zip(b, (x, y) => x - y)]) / n) : double.NaN;
        return new(
            difference,
            TTest.Of(difference, Math.Sqrt(wa + wb), df, confidence),
            TTest.Of(difference, Math.Sqrt(pooled * ((1 / n) + (1 / m))), n + m - 2, confidence),
            TTest.Of(difference, paired, n - 1, confidence),
            Permutation(a, b)
        );
    }

    /// <summary>With n − 1; 0 where values are equal but for rounding.</summary>
    private static double Variance(IReadOnlyList<double> x)
    {
        var mean = x.Average();
        var variance = x.Sum(v => (v - mean) * (v - mean)) / (x.Count - 1);
        var scale = x.Max(Math.Abs);
        return variance <= 1e-28 * scale * scale ? 0 : variance;
    }

    private static double Permutation(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        double[] all = [.. a, .. b];
        if (Math.Exp(Binomial.LogChoose(all.Length, a.Count)) > MostRegroupings * (1 + 1e-9))
            return double.NaN;
        double total = all.Sum(),
            n = a.Count,
            m = b.Count;
        var observed = Math.Abs((a.Sum() / n) - (b.Sum() / m)) - (1e-9 * all.Max(Math.Abs));
        long reached = 0,
            seen = 0;
        void Choose(int from, int left, double sum)
        {
            if (left == 0)
            {
                seen++;
                if (Math.Abs((sum / n) - ((total - sum) / m)) >= observed)
                    reached++;
                return;
            }

            for (var i = from; i <= all.Length - left; i++)
                Choose(i + 1, left - 1, sum + all[i]);
        }

        Choose(0, a.Count, 0);
        return reached / (double)seen;
    }
}
