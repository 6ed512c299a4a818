namespace RlHarness.Experiment.Statistics;

/// <summary>Which interactions of the three factors a model holds.</summary>
public enum FactorialModel
{
    Main,
    TwoWay,
    Saturated,
}
