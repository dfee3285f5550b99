#[tokio::test]
async fn t() {
    let s = crate::Sandbox::new(crate::Limits::default(), 1).unwrap();
    let t = std::time::Instant::now();
    s.warm_up().await.unwrap();
    println!("compile {:?}", t.elapsed());
    let c = |src: &str| crate::Script { id: 1, version: 1, source: src.into() };
    for src in ["function decode(b,m){return {n:b.length,m,d:Date.now(),r:Math.random(),h:Buffer.from(b).toString('hex')}}",
      "function decode(){return f()} function f(){return f()}", "function decode(){for(;;);}", "function decode(){let a=[];for(;;)a.push('x'.repeat(1000)+a.length)}",
      "function decode(){return 'a'.repeat(30)+'!' && /^(a+)+$/.test('a'.repeat(30)+'!')}", "function decode(){\n return {a:; }", "let d=0;function f(){d++;f()}; function decode(){try{f()}catch(e){return {d,e:String(e)}}}",
      "function decode(){let a=[];for(let i=0;i<100000;i++)a=[a];return a}", "function decode(){return {a:'x'.repeat(200000)}}", "function decode(){return {a:'x'.repeat(50000000)}}",
      "function decode(){return JSON.parse('['.repeat(100000))}", "function decode(){return {a:eval('('.repeat(100000))}}", "function decode(){return {a:new RegExp('('.repeat(100000))}}",
      "function decode(){a={};a.a=a;return a}", "function decode(){return {a:1n}}", "function decode(){let x=new Uint8Array(1e9)}"] {
        let t = std::time::Instant::now();
        let r = s.decode(&c(src), &[1, 2, 3], r#"{"a":1}"#).await;
        println!("{src}\n   {:?} {r:?}", t.elapsed());
    }
    let src = c("function decode(b){return {temperature: (b[0]<<8|b[1])/10, c: b[2], arr:[1,2,3], name:'abc'}}");
    for n in [1, 1000, 5000] {
    let t = std::time::Instant::now();
    for _ in 0..n { s.decode(&src, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], "{}").await.unwrap(); }
    println!("{n} calls {:?}", t.elapsed());}
}
