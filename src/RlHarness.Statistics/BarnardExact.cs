namespace RlHarness.Statistics;

/// <summary>
/// Barnard's unconditional exact test of two groups, a of a + b against c of c + d, with the pooled score statistic z: the largest probability, over the common
/// rate π, of a table whose |z| reaches the observed one, Σ C(n₁,x₁) C(n₂,x₂) π^(x₁+x₂) (1−π)^(N−x₁−x₂). Barnard 1945, Nature 156:177.
/// </summary>
internal sealed record BarnardExact(double Statistic, double P)
{
    private const int Grid = 4000;

    public static BarnardExact Test(long a, long b, long c, long d)
    {
        Guard.Table(a, b, c, d);
        long n1 = a + b,
            n2 = c + d;
        Guard.That(n1 > 0 && n2 > 0, $"both groups need a case: {n1} and {n2}");
        var observed = Score(a, n1, c, n2);
        if (observed == 0)
            return new(0, 1);
        // Tables in the region by their number of successes: their probability is a polynomial in the common rate.
        var logs = new double[n1 + n2 + 1];
        Array.Fill(logs, double.NegativeInfinity);
        for (long x1 = 0; x1 <= n1; x1++)
        {
            for (long x2 = 0; x2 <= n2; x2++)
            {
                if (Math.Abs(Score(x1, n1, x2, n2)) < Math.Abs(observed) - 1e-10)
                    continue;
                logs[x1 + x2] = Add(logs[x1 + x2], Binomial.LogChoose(n1, x1) + Binomial.LogChoose(n2, x2));
            }
        }

        var tails = Enumerable.Range(0, Grid + 1).Select(i => (Tail(i / (double)Grid), i)).OrderByDescending(t => t.Item1).Take(12).ToList();
        var best = tails.Max(t => Math.Max(t.Item1, Refine(Math.Max(0, t.i - 1) / (double)Grid, Math.Min(Grid, t.i + 1) / (double)Grid)));
        return new(observed, Math.Min(1, best));

        double Tail(double rate)
        {
            var sum = 0.0;
            for (var s = 0; s < logs.Length; s++)
            {
                if (double.IsNegativeInfinity(logs[s]) || (rate == 0 && s > 0) || (rate == 1 && s < logs.Length - 1))
                    continue;
                sum += Math.Exp(logs[s] + (s == 0 ? 0 : s * Math.Log(rate)) + (s == logs.Length - 1 ? 0 : (logs.Length - 1 - s) * Math.Log(1 - rate)));
            }

            return sum;
        }

        double Refine(double low, double high)
        {
            var golden = (Math.Sqrt(5) - 1) / 2;
            for (var i = 0; i < 60; i++)
            {
                double x = high - (golden * (high - low)),
                    y = low + (golden * (high - low));
                if (Tail(x) > Tail(y))
                    high = y;
                else
                    low = x;
            }

            return Tail((low + high) / 2);
        }
    }

    private static double Score(long x1, long n1, long x2, long n2)
    {
        var pooled = (x1 + x2) / (double)(n1 + n2);
        var variance = pooled * (1 - pooled) * ((1.0 / n1) + (1.0 / n2));
        return variance > 0 ? (((double)x1 / n1) - ((double)x2 / n2)) / Math.Sqrt(variance) : 0;
    }

    private static double Add(double a, double b) => double.IsNegativeInfinity(a) ? b : Math.Max(a, b) + Math.Log(1 + Math.Exp(-Math.Abs(a - b)));
}
