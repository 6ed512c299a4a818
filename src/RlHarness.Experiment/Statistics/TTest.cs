namespace RlHarness.Experiment.Statistics;

/// <summary>A t test of a difference with its interval; NaN but for the interval, which is then the point, where nothing varies.</summary>
public sealed record TTest(double T, double Df, double P, Interval Interval)
{
    internal static TTest Of(double difference, double error, double df, double confidence)
    {
        if (double.IsNaN(error))
            return new(double.NaN, double.NaN, double.NaN, Interval.None);
        if (error == 0)
            return new(double.NaN, double.NaN, double.NaN, new(difference, difference));
        var t = difference / error;
        return new(t, df, StudentT.TwoSided(t, df), Interval.Around(difference, StudentT.T(confidence, df) * error));
    }
}
