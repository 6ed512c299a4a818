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
