namespace RlHarness.Experiment.Statistics;

/// <summary>What a disagreement by |i − j| of k ordered categories still counts: nothing, 1 − |i−j|/(k−1), or 1 − (i−j)²/(k−1)².</summary>
public enum KappaWeights
{
    None,
    Linear,
    Quadratic,
}
