namespace RlHarness.Statistics;

/// <summary>
/// Exact test of a 2 × 2 table [[a, b], [c, d]] with both margins fixed. Two-sided: the sum over tables no more probable than the observed one.
/// The conditional odds ratio maximises the noncentral hypergeometric likelihood; its interval inverts the one-sided tests.
/// </summary>
public sealed record FisherExact(double P, double PLess, double PGreater, double OddsRatio, double ConditionalOddsRatio, Interval ConditionalInterval)
{
    public static FisherExact Test(long a, long b, long c, long d, double confidence = 0.95)
    {
        Guard.Table(a, b, c, d);
        var tail = (1 - Guard.Fraction(confidence)) / 2;
        var (logs, at) = Tables(a, b, c, d);
        var mass = Tilt(logs, 0);
        double two = 0,
            less = 0,
            greater = 0;
        for (var i = 0; i < mass.Length; i++)
        {
            if (mass[i] <= mass[at] * (1 + 1e-7))
                two += mass[i];
            if (i <= at)
                less += mass[i];
            if (i >= at)
                greater += mass[i];
        }

        var (ratio, interval) = Conditional(logs, at, tail);
        return new(Math.Min(1, two), Math.Min(1, less), Math.Min(1, greater), (double)a * d / ((double)b * c), ratio, interval);
    }

    /// <summary>Only the two-sided p value, for loops over many tables.</summary>
    internal static double TwoSided(long a, long b, long c, long d)
    {
        var (logs, at) = Tables(a, b, c, d);
        var mass = Tilt(logs, 0);
        var limit = mass[at] * (1 + 1e-7);
        return Math.Min(1, mass.Where(m => m <= limit).Sum());
    }

    /// <summary>Logarithms of the weights of all tables with these margins, and which of them this table is.</summary>
    private static (double[] Logs, int At) Tables(long a, long b, long c, long d)
    {
        long row = a + b,
            other = c + d,
            column = a + c;
        long low = Math.Max(0, column - other),
            high = Math.Min(row, column);
        var logs = new double[high - low + 1];
        for (var x = low; x <= high; x++)
            logs[x - low] = Binomial.LogChoose(row, x) + Binomial.LogChoose(other, column - x);
        return (logs, (int)(a - low));
    }

    private static (double Ratio, Interval Interval) Conditional(double[] logs, int at, double tail)
    {
        // A table with one possible value says nothing about the odds.
        if (logs.Length == 1)
            return (double.NaN, new(0, double.PositiveInfinity));
        var last = logs.Length - 1;
        double Solve(Func<double[], double> gap) => Math.Exp(RootFinding.Monotone(log => gap(Tilt(logs, log)), -700, 700));
        var ratio =
            at == 0 ? 0
            : at == last ? double.PositiveInfinity
            : Solve(mass => Mean(mass) - at);
        var low = at == 0 ? 0 : Solve(mass => mass.Skip(at).Sum() - tail);
        var high = at == last ? double.PositiveInfinity : Solve(mass => tail - mass.Take(at + 1).Sum());
        return (ratio, new(low, high));
    }

    private static double Mean(double[] mass)
    {
        var mean = 0.0;
        for (var i = 0; i < mass.Length; i++)
            mean += i * mass[i];
        return mean;
    }

    /// <summary>The hypergeometric masses with odds exp(<paramref name="logOdds"/>).</summary>
    private static double[] Tilt(double[] logs, double logOdds)
    {
        var mass = new double[logs.Length];
        var top = double.NegativeInfinity;
        for (var i = 0; i < mass.Length; i++)
            top = Math.Max(top, mass[i] = logs[i] + (i * logOdds));
        var sum = 0.0;
        for (var i = 0; i < mass.Length; i++)
            sum += mass[i] = Math.Exp(mass[i] - top);
        for (var i = 0; i < mass.Length; i++)
            mass[i] /= sum;
        return mass;
    }
}

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
