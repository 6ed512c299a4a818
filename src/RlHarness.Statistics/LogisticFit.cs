namespace RlHarness.Statistics;

/// <summary>
/// Maximum likelihood of a logistic regression with grouped counts, by Newton's method with halving. <see cref="Separated"/> where the estimate does not exist:
/// the likelihood keeps growing as coefficients run away.
/// </summary>
internal sealed record LogisticFit(bool Separated, double[] Coefficients, double[,] Covariance, double LogLikelihood, double[] Fitted)
{
    public static LogisticFit Of(IReadOnlyList<double[]> rows, IReadOnlyList<double> successes, IReadOnlyList<double> trials)
    {
        var k = rows[0].Length;
        var beta = new double[k];
        var likelihood = LogLikelihoodAt(beta);
        for (var iteration = 0; iteration < 100; iteration++)
        {
            var gradient = new double[k];
            var information = new double[k, k];
            for (var r = 0; r < rows.Count; r++)
            {
                var p = Probability(rows[r], beta);
                for (var i = 0; i < k; i++)
                {
                    gradient[i] += rows[r][i] * (successes[r] - (trials[r] * p));
                    for (var j = 0; j < k; j++)
                        information[i, j] += rows[r][i] * rows[r][j] * trials[r] * p * (1 - p);
                }
            }

            if (LinearSystem.Inverse(information) is not { } covariance)
                return Apart();
            var step = LinearSystem.Times(covariance, gradient);
            var size = 1.0;
            double[] next;
            double reached;
            do
            {
                next = [.. beta.Select((b, i) => b + (size * step[i]))];
                reached = LogLikelihoodAt(next);
                size /= 2;
            } while (!(reached >= likelihood - 1e-12) && size > 1e-8);
            var moved = beta.Zip(next, (b, n) => Math.Abs(b - n) / (1 + Math.Abs(b))).Max();
            (beta, likelihood) = (next, reached);
            // Beyond ±25 on the logit scale a fitted probability is 0 or 1 to the last digits: no data say so.
            if (rows.Any(row => Math.Abs(Dot(row, beta)) > 25))
                return Apart();
            if (moved < 1e-12)
                return new(false, beta, covariance, likelihood, [.. rows.Select(row => Probability(row, beta))]);
        }

        return Apart();

        static LogisticFit Apart() => new(true, [], new double[0, 0], double.NaN, []);
        static double Dot(double[] x, double[] beta) => x.Zip(beta, (a, b) => a * b).Sum();
        static double Probability(double[] x, double[] beta) => 1 / (1 + Math.Exp(-Dot(x, beta)));
        double LogLikelihoodAt(double[] at)
        {
            var sum = 0.0;
            for (var r = 0; r < rows.Count; r++)
            {
                var eta = Dot(rows[r], at);
                sum += (successes[r] * eta) - (trials[r] * (eta > 0 ? eta + Math.Log(1 + Math.Exp(-eta)) : Math.Log(1 + Math.Exp(eta))));
            }

            return sum;
        }
    }
}

/// <summary>
/// Log odds of an outcome on the RL step, with model-based errors and errors clustered by query: sandwich CR0, and CR1² = CR0² · G/(G−1) · (n−1)/(n−2).
/// Where complete or quasi-complete separation leaves no estimate, only <see cref="Separated"/> is set and the numbers are NaN.
/// </summary>
internal sealed record LogisticSlope(
    bool Separated,
    double Intercept,
    double Slope,
    double InterceptError,
    double SlopeError,
    double LogLikelihood,
    double ClusterCr0,
    double ClusterCr1
)
{
    public double Z => Slope / SlopeError;

    public double P => Normal.TwoSided(Z);

    public double ClusterP => Normal.TwoSided(Slope / ClusterCr1);

    public static LogisticSlope Of(IReadOnlyList<double> steps, IReadOnlyList<int> outcomes, IReadOnlyList<int> clusters)
    {
        ArgumentNullException.ThrowIfNull(steps);
        ArgumentNullException.ThrowIfNull(outcomes);
        ArgumentNullException.ThrowIfNull(clusters);
        Guard.SameLength(steps.Count, outcomes.Count, "steps and outcomes");
        Guard.SameLength(steps.Count, clusters.Count, "steps and clusters");
        Guard.That(steps.Count > 0, "no rows");
        var (least, most) = (steps.Min(), steps.Max());
        Guard.That(most > least, "the steps do not vary");
        // Centred and scaled while fitting: steps of 1,000 to 1,002 would cost half of the digits.
        double centre = steps.Average(),
            scale = most - least,
            n = steps.Count;
        var rows = steps.Select(s => new[] { 1, (s - centre) / scale }).ToList();
        var fit = LogisticFit.Of(rows, [.. outcomes.Select(o => (double)o)], [.. outcomes.Select(_ => 1.0)]);
        if (fit.Separated)
            return new(true, double.NaN, double.NaN, double.NaN, double.NaN, double.NaN, double.NaN, double.NaN);
        var scores = Enumerable
            .Range(0, rows.Count)
            .GroupBy(i => clusters[i])
            .Select(c => new[] { c.Sum(i => outcomes[i] - fit.Fitted[i]), c.Sum(i => rows[i][1] * (outcomes[i] - fit.Fitted[i])) })
            .ToList();
        var sandwich = LinearSystem.Sandwich(fit.Covariance, scores);
        double g = scores.Count,
            cr0 = Math.Sqrt(sandwich[1, 1]) / scale,
            ratio = centre / scale;
        var v = fit.Covariance;
        return new(
            false,
            fit.Coefficients[0] - (fit.Coefficients[1] * ratio),
            fit.Coefficients[1] / scale,
            Math.Sqrt(v[0, 0] - (2 * ratio * v[0, 1]) + (ratio * ratio * v[1, 1])),
            Math.Sqrt(v[1, 1]) / scale,
            fit.LogLikelihood,
            cr0,
            g > 1 && n > 2 ? cr0 * Math.Sqrt(g / (g - 1) * (n - 1) / (n - 2)) : double.NaN
        );
    }

    public Interval SlopeInterval(double confidence = 0.95) => Interval.Around(Slope, Normal.Z(confidence) * SlopeError);

    public Interval ClusterInterval(double confidence = 0.95) => Interval.Around(Slope, Normal.Z(confidence) * ClusterCr1);
}
