namespace RlHarness.Models.Tokenizers;
public sealed class Tokenizer { public static Tokenizer Load(string f)=>new(); public static Tokenizer FromGguf(Files.GgufFile f)=>new(); public int? EosId=>null; public void Save(string f){} public StreamingDecoder CreateStreamingDecoder(bool skipSpecialTokens=false)=>new(); }
public sealed class StreamingDecoder { public string Add(int id)=>""; }
