// The baseline, "plain SQLite": one table with five indexes, WAL, batched transactions (see README.md beside this file).
#define _GNU_SOURCE
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <time.h>
#include <fcntl.h>
#include <unistd.h>
#include <sys/stat.h>
#include <sys/resource.h>
typedef uint8_t u8;typedef uint64_t u64;
static double now(){struct timespec t;clock_gettime(CLOCK_MONOTONIC,&t);return t.tv_sec+t.tv_nsec*1e-9;}
static double cpu(){struct rusage r;getrusage(RUSAGE_SELF,&r);return r.ru_utime.tv_sec+r.ru_stime.tv_sec+(r.ru_utime.tv_usec+r.ru_stime.tv_usec)*1e-6;}
#define X(s) do{char*e=0;if(sqlite3_exec(db,s,0,0,&e)){printf("%s: %s\n",s,e);exit(1);}}while(0)
static int hexv(int c){return c<='9'?c-'0':c-'a'+10;}
static int cmpd(const void*a,const void*b){double x=*(double*)a,y=*(double*)b;return x<y?-1:x>y;}
int main(int ac,char**av){ // base db N batch idx textids sync
 const char*fn=av[1];long N=atol(av[2]);int batch=atoi(av[3]);int idx=atoi(av[4]);int textid=atoi(av[5]);
 unlink(fn);char w[200];sprintf(w,"%s-wal",fn);unlink(w);
 int fd=open("ev.bin",O_RDONLY);struct stat st;fstat(fd,&st);u8*b=malloc(st.st_size);long o=0;while(o<st.st_size)o+=read(fd,b+o,st.st_size-o);
 sqlite3*db;sqlite3_open(fn,&db);X("pragma page_size=4096");X("pragma journal_mode=WAL");X("pragma synchronous=NORMAL");X("pragma cache_size=-524288");X("pragma wal_autocheckpoint=100000");X("pragma temp_store=memory");
 X("create table ev(pos integer primary key,id,stream text,rev int,type text,ts int,corr text,caus text,meta text,data text);create table ck(k integer primary key,pos int)");
 if(idx)X("create index i1 on ev(corr);create index i2 on ev(caus);create index i3 on ev(id);create index i4 on ev(stream,rev);create index i5 on ev(type,ts)");
 sqlite3_stmt*s,*c;sqlite3_prepare_v2(db,"insert into ev values(?,?,?,?,?,?,?,?,?,?)",-1,&s,0);sqlite3_prepare_v2(db,"insert or replace into ck values(1,?)",-1,&c,0);
 double t0=now(),c0=cpu(),lt=t0,lc=c0;long n=0;o=0;u64 pos=0;char hx[40];
 char(*qc)[40]=malloc(40*4000);u8(*qi)[16]=malloc(16*4000);char(*qs)[64]=malloc(64*4000);int nq=0;
 X("begin");
 for(;n<N&&o<st.st_size;){
  u8*r=b+o;uint32_t L;memcpy(&L,r,4);uint16_t x[4];memcpy(x,r+40,8);memcpy(&pos,r+20,8);int64_t ts;memcpy(&ts,r+28,8);uint32_t rev;memcpy(&rev,r+36,4);
  char*p=(char*)r+48;char*m=p+x[0]+x[1];
  char*ci=memchr(m+18,'"',60);int cl=ci-(m+19);char*k0=m+19;
  // "$correlationId":" is 1+16+... compute robustly
  char*q=memmem(m,x[2],"nId\":\"",6)+6;char*qe=memchr(q,'"',80);char*q2=memmem(qe,x[2],"nId\":\"",6)+6;char*q2e=memchr(q2,'"',80);
  sqlite3_bind_int64(s,1,pos);
  if(textid){int k=0;for(int i=0;i<16;i++){if(i==4||i==6||i==8||i==10)hx[k++]='-';hx[k++]="0123456789abcdef"[r[4+i]>>4];hx[k++]="0123456789abcdef"[r[4+i]&15];}sqlite3_bind_text(s,2,hx,36,0);}else sqlite3_bind_blob(s,2,r+4,16,0);
  sqlite3_bind_text(s,3,p,x[0],0);sqlite3_bind_int64(s,4,rev);sqlite3_bind_text(s,5,p+x[0],x[1],0);sqlite3_bind_int64(s,6,ts);sqlite3_bind_text(s,7,q,qe-q,0);sqlite3_bind_text(s,8,q2,q2e-q2,0);sqlite3_bind_text(s,9,m,x[2],0);sqlite3_bind_text(s,10,m+x[2],x[3],0);
  if(sqlite3_step(s)!=SQLITE_DONE){printf("%s\n",sqlite3_errmsg(db));exit(1);}sqlite3_reset(s);
  if((n*2654435761u>>8)%500==0&&nq<4000){memcpy(qc[nq],q,qe-q);qc[nq][qe-q]=0;memcpy(qi[nq],r+4,16);memcpy(qs[nq],p,x[0]);qs[nq][x[0]]=0;nq++;}
  n++;o+=4+L;
  if(n%batch==0){sqlite3_bind_int64(c,1,pos);sqlite3_step(c);sqlite3_reset(c);X("commit");X("begin");}
  if(n%500000==0){double t=now(),cc=cpu();printf("  %ld: wall %.0f ev/s  cpu %.2f us/ev\n",n,500000/(t-lt),(cc-lc)*2);fflush(stdout);lt=t;lc=cc;}
 }
 X("commit");double t1=now(),c1=cpu();sqlite3_exec(db,"pragma wal_checkpoint(TRUNCATE)",0,0,0);c1=cpu();
 struct stat s2;stat(fn,&s2);printf("%s idx=%d textid=%d batch=%d: %ld ev wall %.1fs %.0f ev/s cpu %.2f us/ev => %.0f ev/s/core; %.1f B/ev\n",fn,idx,textid,batch,n,t1-t0,n/(t1-t0),(c1-c0)/n*1e6,n/(c1-c0),(double)s2.st_size/n);
 if(!idx)return 0;
 sqlite3_stmt*g[3];sqlite3_prepare_v2(db,"select * from ev where corr=? order by pos",-1,&g[0],0);sqlite3_prepare_v2(db,"select * from ev where id=?",-1,&g[1],0);sqlite3_prepare_v2(db,"select * from ev where stream=? order by rev",-1,&g[2],0);
 double*lat=malloc(8*4000);
 for(int pass=0;pass<3;pass++)for(int k=0;k<3;k++){if(k==2&&pass==0)continue;long rows=0;for(int i=0;i<nq;i++){double a=now();if(k==0)sqlite3_bind_text(g[0],1,qc[i],-1,0);else if(k==2)sqlite3_bind_text(g[2],1,qs[i],-1,0);else if(!textid)sqlite3_bind_blob(g[1],1,qi[i],16,0);else{int z=0;for(int y=0;y<16;y++){if(y==4||y==6||y==8||y==10)hx[z++]='-';hx[z++]="0123456789abcdef"[qi[i][y]>>4];hx[z++]="0123456789abcdef"[qi[i][y]&15];}sqlite3_bind_text(g[1],1,hx,36,0);}
   long by=0;while(sqlite3_step(g[k])==SQLITE_ROW){rows++;by+=sqlite3_column_bytes(g[k],9);sqlite3_column_blob(g[k],9);}sqlite3_reset(g[k]);lat[i]=(now()-a)*1e6;}
  qsort(lat,nq,8,cmpd);printf("  q%d pass%d: n=%d rows/q %.1f p50 %.1f us p99 %.1f us\n",k,pass,nq,(double)rows/nq,lat[nq/2],lat[nq*99/100]);}
 return 0;}
